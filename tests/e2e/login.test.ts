/** login and logout against the real docker-registry: what is proven, what is kept, where, and what is forgotten. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { type SecuredRegistry, startSecuredRegistry, user } from "../support/secured-registry.ts";
import { openSession } from "../support/terminal.ts";
import { makeWorld, type Result, tspodFile, type World } from "../support/world.ts";

const requirements = [...registryPrograms, program("openssl")];
const test = testWith(...requirements);
const canRun = requirements.every((requirement) => requirement() === undefined);

let registry: SecuredRegistry;
let world: World;
let count = 0;

beforeAll(async () => {
  if (!canRun) return;
  registry = await startSecuredRegistry("password");
  world = await makeWorld({ registriesConf: "" });
}, 60_000);

afterAll(async () => {
  registry?.[Symbol.dispose]();
  await world?.[Symbol.asyncDispose]();
}, 60_000);

interface Person {
  authFile: string;
  directory: string;
  environment: Record<string, string>;
  says(words: string[], stdin?: string): Promise<Result>;
}

/** Somebody with a runtime directory of their own, and with what is in it already. */
function person(authFile?: object): Person {
  const directory = join(world.home, `person-${++count}`);
  mkdirSync(join(directory, "containers"), { recursive: true });
  const path = join(directory, "containers/auth.json");
  if (authFile !== undefined) writeFileSync(path, JSON.stringify(authFile));
  const environment = {
    XDG_RUNTIME_DIR: directory,
    DOCKER_CONFIG: join(directory, "docker"),
    PATH: `${directory}:${process.env.PATH}`,
  };
  return {
    ...{ authFile: path, directory, environment },
    says: (words, stdin = "") => world.tspod(words, { environment, stdin }),
  };
}

const authsIn = (path: string): Record<string, unknown> =>
  (JSON.parse(readFileSync(path, "utf8")) as { auths: Record<string, unknown> }).auths;
const entry = { auth: Buffer.from(`${user.name}:${user.password}`).toString("base64") };
const withPassword = ["login", "-u", user.name, "--password-stdin"];

function expectSentence({ exitCode, stderr }: Result, ...parts: (string | RegExp)[]): void {
  expect(exitCode).toBe(125);
  for (const part of parts) expect(stderr).toMatch(part);
  expect(stderr).not.toContain("    at ");
  expect(stderr).not.toContain(user.password);
}

describe("login", () => {
  test("is kept beside what was there, mode 0600; pull knows it; logout forgets it", async () => {
    const other = { auths: { "quay.io": { auth: "YTpi" } }, credHelpers: { "ecr.example": "ecr" } };
    const { says, authFile } = person(other);
    const { address } = registry;
    expectSentence(await says(["pull", `${address}/team/app:1`]), `tspod login ${address}`);
    expectSentence(await says(["login", "--get-login", address]), "Not logged in");
    const done = await says([...withPassword, address], `${user.password}\n`);
    expect(done).toEqual({ exitCode: 0, stdout: "Login Succeeded!\n", stderr: "" });
    const kept = JSON.parse(readFileSync(authFile, "utf8")) as object;
    expect(kept).toEqual({ ...other, auths: { ...other.auths, [address]: entry } });
    expect(statSync(authFile).mode & 0o777).toBe(0o600);
    expect(readdirSync(dirname(authFile))).toEqual(["auth.json"]);
    expect((await says(["login", "--get-login", address])).stdout).toBe(`${user.name}\n`);
    expect((await says(["login", address])).stdout).toContain("Already logged in");
    expect((await says(["pull", "-q", `${address}/team/app:1`])).exitCode).toBe(0);
    expect((await says(["logout", address])).stdout).toBe(
      `Removed login credentials for ${address}\n`,
    );
    expect(JSON.parse(readFileSync(authFile, "utf8"))).toEqual(other);
    expectSentence(await says(["logout", address]), "Not logged in");
  });

  test("a wrong password is not kept", async () => {
    const { says, authFile } = person();
    const result = await says(["login", "-u", user.name, "-p", "wrong", registry.address]);
    expectSentence(result, registry.address, "user name and password");
    expect(existsSync(authFile)).toBe(false);
  });

  test("a namespace has credentials of its own, which others do not get", async () => {
    const { says, authFile } = person();
    const { address } = registry;
    const done = await says([...withPassword, `https://${address}/team/`], user.password);
    expect(done.exitCode).toBe(0);
    expect(authsIn(authFile)).toEqual({ [`${address}/team`]: entry });
    expect((await says(["pull", "-q", `${address}/team/app:1`])).exitCode).toBe(0);
    expectSentence(await says(["pull", `${address}/other/app:1`]), "denies access");
    expect((await says(["logout", "--all"])).exitCode).toBe(0);
    expect(authsIn(authFile)).toEqual({});
  });

  test("ten at once: all of them are kept", async () => {
    const { says, authFile } = person();
    const names = Array.from({ length: 10 }, (_, i) => `${registry.address}/team${i}`);
    const results = await Promise.all(
      names.map((name) => says([...withPassword, name], user.password)),
    );
    expect(results.map(({ exitCode }) => exitCode)).toEqual(names.map(() => 0));
    expect(Object.keys(authsIn(authFile)).sort()).toEqual(names.sort());
  });

  test("asks at a terminal, and does not show the password", async () => {
    const { environment, authFile } = person();
    await using session = openSession([tspodFile, "login", registry.address], world, {
      environment,
    });
    await session.sees("Username: ");
    session.type(`${user.name}\r`);
    await session.sees("Password: ");
    session.type(`oops\u0015${user.password}x\u007f\r`);
    const rest = await session.sees("Login Succeeded!");
    expect(await session.exit()).toBe(0);
    expect(rest + session.shown()).not.toContain("pa:s");
    expect(session.isRaw()).toBe(false);
    expect(authsIn(authFile)).toEqual({ [registry.address]: entry });
  });

  test("Ctrl-C at the password leaves the terminal as it was", async () => {
    const { environment, authFile } = person();
    const words = [tspodFile, "login", "-u", "x", registry.address];
    await using session = openSession(words, world, { environment });
    await session.sees("Password: ");
    session.type("\u0003");
    expect(await session.exit()).not.toBe(0);
    expect(session.isRaw()).toBe(false);
    expect(existsSync(authFile)).toBe(false);
  });

  test.each([
    [["login", "--password-stdin", "x.example"], "--username"],
    [["login", "-u", "a", "-p", "b", "--password-stdin", "x.example"], "two passwords"],
    [["login", "x.example"], "--password-stdin"],
    [["login", "-u", "a:b", "-p", "c", "x.example"], "colon"],
    [["login", "-u", "a", "--password-stdin", "x.example"], "empty"],
    [["login", "-u", "a", "-p", "b", "../etc"], '"../etc"'],
    [["login", "-u", "a", "-p", "b", "127.0.0.1:9"], "127.0.0.1:9"],
    [["logout", "--all", "x.example"], "exclude"],
  ])("%j is refused", async (words, why) => {
    expectSentence(await person().says(words), why);
  });

  test("a broken auth.json is neither used nor overwritten", async () => {
    const { says, authFile } = person();
    writeFileSync(authFile, "{ broken");
    expectSentence(await says([...withPassword, registry.address], user.password), "not JSON");
    expect(readFileSync(authFile, "utf8")).toBe("{ broken");
  });
});

describe("a credential helper", () => {
  /** Keeps one entry in a file, as docker-credential-helpers' protocol has it. */
  const script = `#!/bin/sh
cd "$(dirname "$0")"
case $1 in
store) cat > kept ;;
get) read -r server; grep -q "\\"ServerURL\\":\\"$server\\"" kept 2>/dev/null && exec cat kept
  echo "credentials not found in native keychain"; exit 1 ;;
erase) rm kept ;;
esac
`;

  function helper(directory: string, text: string): void {
    const path = join(directory, "docker-credential-test");
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }

  test.each(["credHelpers", "credsStore"])(
    "named by %s keeps what the file does not",
    async (by) => {
      const { address } = registry;
      const file =
        by === "credsStore" ? { credsStore: "test" } : { credHelpers: { [address]: "test" } };
      const { says, authFile, directory } = person(file);
      helper(directory, script);
      const done = await says([...withPassword, "-v", address], user.password);
      expect(done).toMatchObject({ exitCode: 0, stderr: "" });
      expect(done.stdout).toContain("docker-credential-test");
      expect(JSON.parse(readFileSync(authFile, "utf8"))).toEqual(file);
      expect(JSON.parse(readFileSync(join(directory, "kept"), "utf8"))).toEqual({
        ServerURL: address,
        Username: user.name,
        Secret: user.password,
      });
      expect((await says(["login", "--get-login", address])).stdout).toBe(`${user.name}\n`);
      expect((await says(["pull", "-q", `${address}/team/app:1`])).exitCode).toBe(0);
      expect((await says(["logout", address])).exitCode).toBe(0);
      expect(existsSync(join(directory, "kept"))).toBe(false);
    },
  );

  test.each([
    ["fails", "#!/bin/sh\necho the keyring is locked; exit 1\n", "the keyring is locked"],
    ["says without end", "#!/bin/sh\nexec yes\n", "without end"],
  ])("that %s is said so", async (_, text, why) => {
    const { says, directory } = person({ credHelpers: { [registry.address]: "test" } });
    helper(directory, text);
    expectSentence(await says(["pull", `${registry.address}/team/app:1`]), why, "credential-test");
    expectSentence(await says(["login", "--get-login", registry.address]), why);
  });

  test("that is not there is said so", async () => {
    const { says } = person({ credHelpers: { [registry.address]: "absent" } });
    expectSentence(await says(["pull", `${registry.address}/team/app:1`]), "credential-absent");
  });
});

describe("a registry with a token service", () => {
  test("is asked for a token without a scope, and gives none for a wrong password", async () => {
    using tokens = await startSecuredRegistry("token");
    const { says, authFile } = person();
    const wrong = await says(["login", "-u", user.name, "-p", "wrong", tokens.address]);
    expectSentence(wrong, "user name and password");
    expect((await says([...withPassword, tokens.address], user.password)).exitCode).toBe(0);
    expect(authsIn(authFile)).toEqual({ [tokens.address]: entry });
    expect(new Set(tokens.tokenRequests.map(({ scope }) => scope))).toEqual(new Set([""]));
  });
});

describe("a registry with a certificate of its own", () => {
  test("is trusted by --cert-dir, by certs.d, or when told not to look", async () => {
    using secured = await startSecuredRegistry("tls and password");
    const { address, authority } = secured;
    const { says, directory, environment } = person();
    const login = [...withPassword, address];
    expectSentence(await says(login, user.password), "self-signed", "certs.d");
    const lax = await says([...login, "--tls-verify=false"], user.password);
    expect(lax).toMatchObject({ exitCode: 0, stderr: "" });
    const certificates = join(directory, "certificates");
    mkdirSync(certificates);
    cpSync(authority, join(certificates, "ca.crt"));
    const trusted = await says([...login, "--cert-dir", certificates], user.password);
    expect(trusted).toMatchObject({ exitCode: 0, stderr: "" });
    const creds = ["--creds", `${user.name}:${user.password}`, "--cert-dir", certificates];
    const image = `${address}/team/app:1`;
    const created = await says(["create", "-q", "--name", "by-flags", ...creds, image, "x"]);
    expect(created).toMatchObject({ exitCode: 0, stderr: "" });
    expectSentence(
      await says(["run", "--pull", "always", "--cert-dir", "/nowhere", image]),
      "/nowhere",
    );
    const machine = { ...environment, SSL_CERT_FILE: authority };
    const known = await world.tspod(login, { environment: machine, stdin: user.password });
    expect(known).toMatchObject({ exitCode: 0, stderr: "" });
    const own = join(world.home, ".config/containers/certs.d", address);
    mkdirSync(own, { recursive: true });
    cpSync(authority, join(own, "ca.crt"));
    expect((await says(login, user.password)).exitCode).toBe(0);
    writeFileSync(join(own, "client.cert"), "nothing");
    expectSentence(await says(login, user.password), "client.key");
    const nowhere = await says([...login, "--cert-dir", "/nowhere"], "x");
    expectSentence(nowhere, /^Error: There is no directory "\/nowhere"/);
  });

  test("--tls-verify wants TLS even of this machine", async () => {
    const { says } = person();
    const login = [...withPassword, "--tls-verify", registry.address];
    expectSentence(await says(login, user.password), registry.address, "TLS");
  });
});
