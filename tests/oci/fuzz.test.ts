/** Parsers of what strangers write: whatever comes in, a value that keeps its promises or a TspodError comes out. */
import { expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import {
  formatPlatform,
  formatReference,
  isDigest,
  parseImageConfig,
  parseManifest,
  parsePlatform,
  parseReference,
} from "../../src/oci/index.ts";
import { parseAuthFile, parseRegistriesConf } from "../../src/registry/index.ts";
import { parseChallenges } from "../../src/registry/challenge.ts";
import { chance, mutate, mutateJson } from "../support/fuzz.ts";

const rounds = 3_000;

/** Runs `parse` on every input; other errors than TspodError end the test with the input that made them. */
function hammer(inputs: (round: number) => string, parse: (text: string) => void): number {
  let taken = 0;
  for (let round = 0; round < rounds; round++) {
    const input = inputs(round);
    try {
      parse(input);
      taken++;
    } catch (error) {
      if (!(error instanceof TspodError))
        throw new Error(`round ${round}: ${JSON.stringify(input)}`, { cause: error });
      expect(error.message.length).toBeLessThan(2_000);
    }
  }
  return taken;
}

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;
const descriptor = (mediaType: string): object => ({ mediaType, digest, size: 10 });
const manifest = {
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: descriptor("application/vnd.oci.image.config.v1+json"),
  layers: [descriptor("application/vnd.oci.image.layer.v1.tar+gzip")],
  annotations: { a: "b" },
};
const index = {
  schemaVersion: 2,
  manifests: [
    {
      ...descriptor(manifest.mediaType),
      platform: { os: "linux", architecture: "arm64", variant: "v8" },
    },
  ],
};
const config = {
  os: "linux",
  architecture: "amd64",
  created: "2024-01-01T00:00:00Z",
  config: {
    ...{ User: "app", Env: ["A=b"], Cmd: ["sh"], Entrypoint: null, Labels: { a: "b" } },
    ...{ Volumes: { "/data": {} }, ExposedPorts: { "80/tcp": {} }, StopSignal: "SIGTERM" },
    Healthcheck: { Test: ["CMD", "true"], Interval: 1_000_000 },
  },
  rootfs: { type: "layers", diff_ids: [digest] },
  history: [{ created_by: "x", empty_layer: true }],
};

test("parseReference() takes only what it can print and read again", () => {
  const seeds = ["alpine:3.20", `localhost:5000/a/b@${digest}`, "[::1]:5000/x_y/z.a-b:T", "Reg/x"];
  const taken = hammer(
    (round) => mutate(seeds[round % seeds.length] ?? "", chance(round)),
    (text) => {
      const reference = parseReference(text);
      const canonical = formatReference(reference);
      expect(formatReference(parseReference(canonical))).toBe(canonical);
      expect(canonical).toMatch(/^[\x21-\x7e]+$/);
    },
  );
  expect(taken).toBeGreaterThan(100);
});

test("parsePlatform() takes only what it can print and read again", () => {
  hammer(
    (round) => mutate("linux/arm64/v8", chance(round)),
    (text) => {
      const platform = parsePlatform(text);
      expect(parsePlatform(formatPlatform(platform))).toEqual(platform);
    },
  );
});

test("parseManifest() survives wrong types and broken text", () => {
  const documents = [manifest, index];
  const taken = hammer(
    (round) => {
      const random = chance(round);
      const document = mutateJson(documents[round % 2], random);
      const text = JSON.stringify(document);
      return random.below(3) === 0 ? mutate(text, random) : text;
    },
    (text) => {
      const parsed = parseManifest(text, { what: "x" });
      const all = parsed.kind === "index" ? parsed.manifests : [parsed.config, ...parsed.layers];
      expect(all.every((one) => isDigest(one.digest) && Number.isSafeInteger(one.sizeBytes))).toBe(
        true,
      );
    },
  );
  expect(taken).toBeGreaterThan(100);
});

test("parseImageConfig() survives wrong types and broken text", () => {
  const taken = hammer(
    (round) => {
      const random = chance(round);
      const text = JSON.stringify(mutateJson(config, random));
      return random.below(3) === 0 ? mutate(text, random) : text;
    },
    (text) => {
      const parsed = parseImageConfig(text, "x");
      const strings = [...parsed.env, ...parsed.cmd, ...parsed.entrypoint, parsed.user];
      expect(strings.every((one) => typeof one === "string" && !one.includes("\0"))).toBe(true);
      expect(parsed.diffIds.every(isDigest)).toBe(true);
    },
  );
  expect(taken).toBeGreaterThan(100);
});

test("parseChallenges() never throws and stays within its limits", () => {
  const seeds = [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull"',
    'Basic realm="x", Digest qop="auth", nonce="a\\"b"',
    "Negotiate YII=, Basic",
  ];
  hammer(
    (round) => mutate(seeds[round % 3] ?? "", chance(round)).repeat(1 + (round % 40)),
    (text) => {
      const challenges = parseChallenges(text);
      expect(challenges.length).toBeLessThanOrEqual(16);
      expect(challenges.every(({ parameters }) => parameters.size <= 32)).toBe(true);
    },
  );
});

test("auth.json and registries.conf survive wrong types and broken text", () => {
  const auth = {
    auths: { "quay.io": { auth: "dTpw" }, x: { identitytoken: "t" } },
    ...{ credHelpers: { "a.io": "pass" }, credsStore: "secretservice" },
  };
  hammer(
    (round) => mutate(JSON.stringify(mutateJson(auth, chance(round))), chance(round + 1)),
    (text) => void parseAuthFile(text, "auth.json"),
  );
  const conf = `[[registry]]
prefix = "docker.io"
location = "mirror.example.org/hub"
insecure = true
[[registry.mirror]]
location = "10.0.0.1:5000"
pull-from-mirror = "digest-only"
`;
  hammer(
    (round) => mutate(conf, chance(round)),
    (text) => void parseRegistriesConf(text, "registries.conf"),
  );
});
