/**
 * docker-credential-NAME: programs that keep credentials in somebody's keyring. The protocol is docker-credential-helpers':
 * a verb as argument, one thing on standard input, an answer on standard output, status 0 when it is one.
 */
import { TspodError } from "../errors.ts";
import { type Credentials, identityUser, parseHelperAnswer, redact } from "../registry/index.ts";
import type { Environment } from "../store/paths.ts";

export interface Helper {
  /** Without "docker-credential-". */
  readonly name: string;
  readonly environment: Environment;
  /** It is named for this very registry; one for all may be missing on this machine. */
  readonly isRequired: boolean;
}

/** A helper may ask the user to unlock a keyring. */
const timeoutMs = 60_000;
/** A token and a name; what is longer is no answer. */
const answerBytesMax = 256 * 1024;
const shownLengthMax = 200;

/** Undefined: it has none. Throws registry.unauthorized when it fails, hangs or is missing. */
export async function askHelper(
  helper: Helper,
  registry: string,
): Promise<Credentials | undefined> {
  const program = findProgram(helper, registry);
  if (program === undefined) return undefined;
  const { status, answer } = await runHelper(helper, [program, "get"], serverName(registry));
  if (status === 0) return parseHelperAnswer(answer);
  if (hasNone(answer)) return undefined;
  throw failed(helper, registry, answer);
}

/** Throws registry.unauthorized. */
export async function storeByHelper(
  helper: Helper,
  registry: string,
  credentials: Credentials,
): Promise<void> {
  const [username, secret] =
    credentials.kind === "password"
      ? [credentials.username, credentials.password]
      : [identityUser, credentials.token];
  const entry = { ServerURL: serverName(registry), Username: username, Secret: secret };
  await mustSucceed(helper, registry, { verb: "store", input: JSON.stringify(entry) });
}

/** Throws registry.unauthorized. Idempotent. */
export async function eraseByHelper(helper: Helper, registry: string): Promise<void> {
  await mustSucceed(helper, registry, { verb: "erase", input: serverName(registry) });
}

async function mustSucceed(
  helper: Helper,
  registry: string,
  { verb, input }: { verb: "store" | "erase"; input: string },
): Promise<void> {
  const program = findProgram({ ...helper, isRequired: true }, registry);
  if (program === undefined) return;
  const { status, answer } = await runHelper(helper, [program, verb], input);
  if (status !== 0 && !(verb === "erase" && hasNone(answer)))
    throw failed(helper, registry, answer);
}

/** What docker's helpers call a registry. */
function serverName(registry: string): string {
  return registry === "docker.io" ? "https://index.docker.io/v1/" : registry;
}

function hasNone(answer: string): boolean {
  return /credentials not found|no credentials server URL/i.test(answer);
}

function findProgram({ name, environment, isRequired }: Helper, registry: string) {
  const program = Bun.which(`docker-credential-${name}`, { PATH: environment.PATH ?? "" });
  if (program !== null) return program;
  if (!isRequired) return undefined;
  throw new TspodError(
    "registry.unauthorized",
    `Cannot log in to ${registry}: its credential helper "docker-credential-${name}" is not installed`,
    { next: "install it, or remove it from credHelpers and credsStore of auth.json" },
  );
}

/** Its answer, whatever else it started goes on doing with the pipe. */
async function runHelper(
  { name, environment }: Helper,
  command: string[],
  input: string,
): Promise<{ status: number; answer: string }> {
  const child = Bun.spawn(command, {
    stdin: Buffer.from(input),
    stderr: "ignore",
    env: environment,
  });
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), timeoutMs);
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let answer = "";
  try {
    while (answer.length <= answerBytesMax) {
      const piece = await Promise.race([reader.read(), late.promise]);
      if (piece === "late") break;
      if (piece.done) {
        const status = await Promise.race([child.exited, late.promise]);
        if (status !== "late") return { status, answer };
        break;
      }
      answer += decoder.decode(piece.value, { stream: true });
    }
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    reader.cancel().catch(() => undefined); // it is over: nothing is left to tell
  }
  const why =
    answer.length > answerBytesMax
      ? "says without end"
      : `does not end within ${timeoutMs / 1000} s`;
  throw new TspodError(
    "registry.unauthorized",
    `Cannot use the credential helper "docker-credential-${name}": it ${why}`,
    { next: "is its keyring locked? Try it by hand, or remove it from auth.json" },
  );
}

function failed({ name }: Helper, registry: string, answer: string): TspodError {
  const said = redact(answer.replace(/[^\x20-\x7e]+/g, " ").trim()).slice(0, shownLengthMax);
  return new TspodError(
    "registry.unauthorized",
    `Cannot use the credential helper "docker-credential-${name}" for ${registry}: ${said || "it fails"}`,
    { next: "is its keyring locked? Try it by hand, or remove it from auth.json" },
  );
}
