/** The real docker-registry: open, and behind a password, a token service and TLS. */
import { describe, expect } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureImage, inspectImage, pullImage } from "../../src/image/index.ts";
import { sharedRegistry } from "../support/debian-registry.ts";
import { failureOf, helperBuilt, makeStore } from "../support/image-store.ts";
import { program, realImages, registryPrograms, testWith } from "../support/requirements.ts";
import { startSecuredRegistry, user } from "../support/secured-registry.ts";

const test = testWith(helperBuilt, ...registryPrograms, program("openssl"));
const testReal = testWith(helperBuilt, ...registryPrograms, realImages);
const base64 = Buffer.from(`${user.name}:${user.password}`).toString("base64");

function authFile(root: string, content: object): Record<string, string> {
  const path = join(root, "auth.json");
  writeFileSync(path, JSON.stringify(content));
  return { REGISTRY_AUTH_FILE: path };
}

describe("an open registry as the mirror of docker.io", () => {
  testReal("alpine, typed as a user types it, on this platform and on another", async () => {
    const { address } = await sharedRegistry();
    await using store = makeStore({ mirror: address });
    const image = await ensureImage(store.context, "alpine");
    expect(image.reference).toBe("docker.io/library/alpine:latest");
    const tree = join(store.context.paths.layers, image.layers[0] ?? "", "diff");
    expect(readFileSync(join(tree, "etc/alpine-release"), "utf8")).toMatch(/^3\.\d+/);
    const other = process.arch === "x64" ? "arm64" : "amd64";
    const foreign = await ensureImage(store.context, "alpine", { platform: `linux/${other}` });
    expect(foreign.config.platform.architecture).toBe(other);
    expect(foreign.id).not.toBe(image.id);
  });

  test("what another process has pulled is found; what is not there is said so", async () => {
    const { address } = await sharedRegistry();
    await using store = makeStore({ mirror: address });
    await pullImage(store.context, "layered");
    const record = inspectImage(store.context, "layered");
    expect(record.names.map(({ reference }) => reference)).toEqual([
      "docker.io/library/layered:latest",
    ]);
    expect(record.config.diffIds.length).toBe(2);
    expect((await failureOf(pullImage(store.context, "layered:nope"))).code).toBe(
      "image.not_found",
    );
    expect((await failureOf(pullImage(store.context, "elsewhere"))).text).toContain("linux/s390x");
  });
});

describe("a registry that wants a password", () => {
  test("gets the one in auth.json, docker's config.json or from a helper", async () => {
    using registry = await startSecuredRegistry("password");
    const name = `${registry.address}/team/app:1`;
    await using nobody = makeStore();
    const refused = await failureOf(pullImage(nobody.context, name));
    expect(refused.code).toBe("registry.unauthorized");
    expect(refused.text).toContain(registry.address);

    await using wrong = makeStore();
    const bad = { auths: { [registry.address]: { auth: Buffer.from("a:b").toString("base64") } } };
    Object.assign(wrong.context.environment, authFile(wrong.root, bad));
    expect((await failureOf(pullImage(wrong.context, name))).code).toBe("registry.unauthorized");

    await using right = makeStore();
    const good = { auths: { [`${registry.address}/team`]: { auth: base64 } } };
    Object.assign(right.context.environment, authFile(right.root, good));
    expect((await pullImage(right.context, name)).config.cmd).toEqual(["sh"]);

    await using docker = makeStore();
    mkdirSync(join(docker.root, ".docker"));
    const config = join(docker.root, ".docker/config.json");
    writeFileSync(
      config,
      JSON.stringify({ auths: { [`https://${registry.address}/`]: { auth: base64 } } }),
    );
    expect((await pullImage(docker.context, name)).config.cmd).toEqual(["sh"]);

    await using helped = makeStore();
    const helper = join(helped.root, "docker-credential-test");
    const answer = JSON.stringify({ Username: user.name, Secret: user.password });
    writeFileSync(
      helper,
      `#!/bin/sh\nread -r server\ntest "$server" = ${registry.address} && echo '${answer}'\n`,
    );
    chmodSync(helper, 0o755);
    Object.assign(helped.context.environment, {
      ...authFile(helped.root, { credHelpers: { [registry.address]: "test" } }),
      PATH: `${helped.root}:${process.env.PATH}`,
    });
    expect((await pullImage(helped.context, name)).config.cmd).toEqual(["sh"]);
  });
});

describe("a registry with a token service", () => {
  test("gets one token for one repository, anonymous or with a password", async () => {
    using registry = await startSecuredRegistry("token");
    const name = `${registry.address}/team/app:1`;
    await using nobody = makeStore();
    await pullImage(nobody.context, name);
    const anonymous = { scope: "repository:team/app:pull", authorization: null };
    expect(registry.tokenRequests).toEqual([anonymous]);
    await using somebody = makeStore();
    const good = { auths: { [registry.address]: { auth: base64 } } };
    Object.assign(somebody.context.environment, authFile(somebody.root, good));
    await pullImage(somebody.context, name);
    expect(registry.tokenRequests).toEqual([
      anonymous,
      { ...anonymous, authorization: `Basic ${base64}` },
    ]);
  });
});

describe("a registry with a certificate of its own", () => {
  test("is not trusted, unless registries.conf says insecure", async () => {
    using registry = await startSecuredRegistry("tls");
    const name = `${registry.address}/team/app:1`;
    await using strict = makeStore();
    const refused = await failureOf(pullImage(strict.context, name));
    expect(refused.code).toBe("registry.unreachable");
    expect(refused.text).toContain("self-signed");
    expect(refused.text).toContain("insecure = true");
    const conf = `[[registry]]\nlocation = "${registry.address}"\ninsecure = true\n`;
    await using lax = makeStore({ registriesConf: conf });
    expect((await pullImage(lax.context, name)).config.cmd).toEqual(["sh"]);
  });
});
