/** Debian's docker-registry behind a password, a token service or TLS, holding one image: "team/app:1". */
import { createPrivateKey, createSign } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { writeLayout } from "./oci-image.ts";
import { until } from "./wait.ts";

export type Protection = "password" | "token" | "tls" | "tls and password";

export interface SecuredRegistry extends Disposable {
  /** "127.0.0.1:port" */
  address: string;
  /** What was asked of the token service: scope and Authorization. */
  tokenRequests: { scope: string; authorization: string | null }[];
  /** PEM file of the authority, with TLS. */
  authority: string;
}

export const user = { name: "somebody", password: "pa:ss" };
const basic = `Basic ${Buffer.from(`${user.name}:${user.password}`).toString("base64")}`;

export async function startSecuredRegistry(protection: Protection): Promise<SecuredRegistry> {
  const directory = mkdtempSync(join(tmpdir(), "tspod-secured-"));
  const path = (name: string): string => join(directory, name);
  await makeCertificate(directory);
  const tokenRequests: SecuredRegistry["tokenRequests"] = [];
  const tokens = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch(request) {
      const scope = new URL(request.url).searchParams.getAll("scope").join(" ");
      const authorization = request.headers.get("authorization");
      tokenRequests.push({ scope, authorization });
      if (authorization !== null && authorization !== basic)
        return new Response("", { status: 401 });
      return Response.json({ token: signToken(directory, scope), expires_in: 300 });
    },
  });
  writeFileSync(path("htpasswd"), `${user.name}:${await hashed(user.password)}\n`);
  const htpasswd = `auth: { htpasswd: { realm: test, path: ${path("htpasswd")} } }`;
  const auth = {
    password: htpasswd,
    "tls and password": htpasswd,
    token: `auth: { token: { realm: "http://127.0.0.1:${tokens.port}/token", service: tests, issuer: tests, rootcertbundle: ${path("cert.pem")} } }`,
    tls: "",
  }[protection];
  const tls = protection.startsWith("tls")
    ? `, tls: { certificate: ${path("cert.pem")}, key: ${path("key.pem")} }`
    : "";
  writeFileSync(
    path("config.yml"),
    `version: 0.1
storage: { filesystem: { rootdirectory: ${path("storage")} }, delete: { enabled: true } }
http: { addr: "127.0.0.1:0", secret: tests${tls} }
${auth}
`,
  );
  const server = Bun.spawn(["docker-registry", "serve", path("config.yml")], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: Bun.file(path("log")) },
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none" },
  });
  const stop = (): void => {
    server.kill("SIGKILL");
    void tokens.stop(true);
    rmSync(directory, { recursive: true, force: true });
  };
  process.once("exit", stop);
  const address = await until("the registry listens", () =>
    existsSync(path("log"))
      ? /listening on ([\d.:]+)/.exec(readFileSync(path("log"), "utf8"))?.[1]
      : undefined,
  );
  await writeLayout(path("layout"), [
    { layers: [[{ path: "hello.txt", content: "hello" }]], config: { Cmd: ["sh"] } },
  ]);
  const credentials = protection === "tls" ? [] : ["--dest-creds", `${user.name}:${user.password}`];
  await Bun.$`skopeo --insecure-policy copy --quiet --dest-tls-verify=false ${credentials} \
    oci:${path("layout")}:latest docker://${address}/team/app:1`.quiet();
  tokenRequests.length = 0;
  return { address, tokenRequests, authority: path("cert.pem"), [Symbol.dispose]: stop };
}

function hashed(password: string): Promise<string> {
  return Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
}

async function makeCertificate(directory: string): Promise<void> {
  await Bun.$`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem`
    .cwd(directory)
    .quiet();
}

/** distribution's token format (docs/spec/auth/jwt.md): RS256 with the certificate in the header. */
function signToken(directory: string, scope: string): string {
  const access = scope
    .split(" ")
    .filter(Boolean)
    .map((one) => {
      const [type = "", name = "", actions = ""] = one.split(":");
      return { type, name, actions: actions.split(",") };
    });
  const pem = readFileSync(join(directory, "cert.pem"), "utf8");
  const certificate = pem.replace(/-----[A-Z ]+-----|\s/g, "");
  const nowS = Math.floor(Date.now() / 1000);
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = [
    part({ typ: "JWT", alg: "RS256", x5c: [certificate] }),
    part({
      ...{ iss: "tests", sub: user.name, aud: "tests", jti: crypto.randomUUID() },
      ...{ nbf: nowS - 60, iat: nowS, exp: nowS + 300 },
      access,
    }),
  ].join(".");
  const key = createPrivateKey(readFileSync(join(directory, "key.pem")));
  return `${text}.${createSign("RSA-SHA256").update(text).sign(key, "base64url")}`;
}
