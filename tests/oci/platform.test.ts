/** Platforms: names normalised and matched as containerd does, and the choice from an index. */
import { expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import {
  chainIds,
  type Digest,
  formatPlatform,
  matchesPlatform,
  parseManifest,
  parsePlatform,
  selectManifest,
} from "../../src/oci/index.ts";

test.each([
  ["linux/amd64", "linux/amd64"],
  ["linux/amd64/v1", "linux/amd64"],
  ["linux/amd64/v3", "linux/amd64/v3"],
  ["Linux/X86_64", "linux/amd64"],
  ["arm64", "linux/arm64"],
  ["linux/arm64/v8", "linux/arm64"],
  ["linux/aarch64", "linux/arm64"],
  ["linux/arm", "linux/arm/v7"],
  ["linux/arm/6", "linux/arm/v6"],
  ["linux/armhf", "linux/arm/v7"],
  ["linux/armel", "linux/arm/v6"],
  ["linux/i386", "linux/386"],
  ["windows/amd64", "windows/amd64"],
])("parsePlatform() normalises %s", (text, normal) => {
  expect(formatPlatform(parsePlatform(text))).toBe(normal);
});

test.each(["", "a/b/c/d", "linux/", "linux/am d64", "../x"])(
  "parsePlatform() refuses %j",
  (text) => {
    expect(() => parsePlatform(text)).toThrow(TspodError);
  },
);

test.each([
  ["linux/amd64", "linux/amd64", true],
  ["linux/amd64", "linux/amd64/v2", false],
  ["linux/amd64/v3", "linux/amd64/v2", true],
  ["linux/amd64/v3", "linux/amd64", true],
  ["linux/amd64", "linux/386", true],
  ["linux/amd64", "linux/arm64", false],
  ["linux/arm64", "linux/arm64/v8", true],
  ["linux/arm64", "linux/arm/v7", true],
  ["linux/arm/v7", "linux/arm/v6", true],
  ["linux/arm/v6", "linux/arm/v7", false],
  ["linux/arm", "linux/arm64", false],
  ["linux/amd64", "windows/amd64", false],
])("%s can run %s: %p", (wanted, offered, expected) => {
  expect(matchesPlatform(parsePlatform(wanted), parsePlatform(offered))).toBe(expected);
});

const hex = (digit: string): string => `sha256:${digit.repeat(64)}`;

function indexOf(platforms: Record<string, object | undefined>): ReturnType<typeof parseManifest> {
  const manifests = Object.entries(platforms).map(([digit, platform]) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    ...{ digest: hex(digit), size: 1, platform },
  }));
  return parseManifest(JSON.stringify({ schemaVersion: 2, manifests }), { what: "x" });
}

test("selectManifest() prefers the exact platform, then a lower one, then one that says nothing", () => {
  const index = indexOf({
    1: { os: "linux", architecture: "386" },
    2: { os: "unknown", architecture: "unknown" },
    3: { os: "linux", architecture: "amd64" },
    4: undefined,
  });
  if (index.kind !== "index") throw new Error("an index");
  const select = (text: string): string => selectManifest(index, parsePlatform(text), "x").digest;
  expect(select("linux/amd64")).toBe(hex("3"));
  expect(select("linux/386")).toBe(hex("1"));
  expect(select("linux/s390x")).toBe(hex("4"));
});

test("selectManifest() says what there is instead", () => {
  const index = indexOf({
    1: { os: "linux", architecture: "arm64" },
    2: { os: "unknown", architecture: "unknown" },
  });
  if (index.kind !== "index") throw new Error("an index");
  try {
    selectManifest(index, parsePlatform("linux/s390x"), "app:1");
    throw new Error("it found one");
  } catch (error) {
    expect(error).toBeInstanceOf(TspodError);
    expect((error as TspodError).code).toBe("image.no_platform");
    expect((error as TspodError).next).toBe("choose one it has with --platform: linux/arm64");
  }
});

test("chainIds() are those of the specification", () => {
  const diffIds = [hex("1"), hex("2")] as Digest[];
  const second = new Bun.CryptoHasher("sha256").update(`${hex("1")} ${hex("2")}`).digest("hex");
  expect(chainIds(diffIds)).toEqual([hex("1"), `sha256:${second}`] as Digest[]);
});
