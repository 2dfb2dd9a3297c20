/** `tspod login`. */
import { TspodError } from "../errors.ts";
import { loadLogin } from "../image/index.ts";
import { formatRegistryName, parseRegistryName } from "../oci/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { registryFlags } from "./options/registry.ts";
import { registryAccess } from "./options/registry-values.ts";
import { print } from "./output/print.ts";

/** A password is a line; a token is some kilobytes. */
const passwordBytesMax = 64 * 1024;

export default defineCommand({
  path: ["login"],
  usage: "[REGISTRY]",
  summary: "Log in to a registry",
  examples: [
    ["With a token from a file", "tspod login -u me --password-stdin quay.io < token"],
    ["For one namespace only", "tspod login quay.io/team"],
  ],
  flags: {
    username: value("-u,--username", "NAME", "Who you are"),
    password: value("-p,--password", "PASSWORD", "Others can see it: better --password-stdin"),
    passwordStdin: boolean("--password-stdin", "Read the password from standard input"),
    getLogin: boolean("--get-login", "Say who is logged in"),
    verbose: boolean("-v,--verbose", "Say where credentials are kept"),
    ...registryFlags,
  },
  args: { min: 0, max: 1, completes: "none" },
  refused: {
    "--compat-auth-file": "docker login writes docker's file, which is read here, too",
    "--secret": "a container's secrets are for containers: --password-stdin reads one",
  },
  async run(context, flags, [registry = "docker.io"]) {
    const name = parseRegistryName(registry);
    const shown = formatRegistryName(name);
    const access = await registryAccess(flags);
    const login = await loadLogin();
    if (flags.getLogin) {
      const known = await login.knownCredentials(context, name, access);
      if (known === undefined) {
        throw new TspodError("registry.unauthorized", `Not logged in to "${shown}"`, {
          next: `tspod login ${shown}`,
        });
      }
      await print(`${known.kind === "password" ? known.username : login.identityUser}\n`);
      return 0;
    }
    if (flags.username === null && flags.password === null && !flags.passwordStdin) {
      if (await isStillIn(context, name, { access, shown })) return 0;
    }
    const credentials = await readCredentials(flags, login);
    const { path, helper } = await login.logIn(context, name, credentials, access);
    if (flags.verbose) {
      await print(`${helper === "" ? `Used: ${path}` : `Used: docker-credential-${helper}`}\n`);
    }
    await print("Login Succeeded!\n");
    return 0;
  },
});

/** What is known is tried before anybody is asked, as podman does. */
async function isStillIn(
  context: CliContext,
  name: ReturnType<typeof parseRegistryName>,
  { access, shown }: { access: Awaited<ReturnType<typeof registryAccess>>; shown: string },
): Promise<boolean> {
  const { knownCredentials, proveCredentials } = await loadLogin();
  const known = await knownCredentials(context, name, access);
  if (known === undefined) return false;
  try {
    await proveCredentials(context, name, known, access);
  } catch (error) {
    if (!(error instanceof TspodError) || error.code !== "registry.unauthorized") throw error;
    context.warn(`The credentials for "${shown}" are no longer taken`);
    return false;
  }
  await print(`Existing credentials are valid. Already logged in to ${shown}\n`);
  return true;
}

interface Given {
  readonly username: string | null;
  readonly password: string | null;
  readonly passwordStdin: boolean;
}

async function readCredentials(
  { username, password, passwordStdin }: Given,
  { credentialsOf }: Awaited<ReturnType<typeof loadLogin>>,
) {
  if (passwordStdin && password !== null) {
    throw new TspodError("usage", "There are two passwords: --password and --password-stdin", {
      next: "use one of them",
    });
  }
  if (passwordStdin && username === null) {
    throw new TspodError("usage", 'Flag "--password-stdin" needs a user name', {
      next: "add --username NAME",
    });
  }
  const { askLine, askSecret } = await import("./output/ask.ts");
  const user = (username ?? askLine("Username: ")).trim();
  if (user === "" || user.includes(":")) {
    const why = user === "" ? "is empty" : "may not hold a colon";
    throw new TspodError("usage", `Cannot log in: the user name ${why}`, {
      next: "use --username NAME",
    });
  }
  const secret = passwordStdin
    ? await passwordFromStdin()
    : (password ?? (await askSecret("Password: ")));
  if (secret === "") {
    throw new TspodError("usage", "Cannot log in: the password is empty", {
      next: "use --password-stdin",
    });
  }
  return credentialsOf(user, secret);
}

/** Without the newline that files end in. */
async function passwordFromStdin(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of Bun.stdin.stream()) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > passwordBytesMax) {
      throw new TspodError("usage", `The password has more than ${passwordBytesMax} bytes`, {
        next: "give one line on standard input",
      });
    }
  }
  return text.replace(/\r?\n$/, "");
}
