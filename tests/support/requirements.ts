/** What a test needs of the machine it runs on. Where that is missing it is skipped, with the reason in its name. */
import { test } from "bun:test";
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import { treeRoot } from "./tree.ts";

/** Why a test cannot run here; undefined when it can. */
export type Requirement = () => string | undefined;

/** `test`, or a skip whose name carries the reason. The driver lists those and knows which are expected. */
export function testWith(...requirements: Requirement[]): typeof test {
  const missing = requirements.map((requirement) => requirement()).filter((why) => why);
  if (missing.length === 0) return test;
  const skip = (name: string): unknown => test.skip(`${name} [skipped: ${missing.join("; ")}]`);
  const rest = { each: skipEach(missing.join("; ")), concurrent: skip };
  return Object.assign(skip, rest) as unknown as typeof test; // same calls, no run
}

function skipEach(reason: string): unknown {
  return () => (name: string) => test.skip(`${name} [skipped: ${reason}]`, () => undefined);
}

export function program(name: string, debianPackage = name): Requirement {
  return () =>
    Bun.which(name, { PATH: `${process.env.PATH}:/usr/sbin:/sbin` })
      ? undefined
      : `no ${name} (apt-get install ${debianPackage})`;
}

/** What a network of one's own is made with. */
export const tunDevice: Requirement = () => {
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return undefined;
  } catch {
    return "no /dev/net/tun that may be opened";
  }
};

/** Where the real Alpine and busybox lie as OCI layouts, when somebody has put them there. */
export const sharedImages = process.env.TSPOD_TEST_IMAGES ?? join(treeRoot, "../shared/images");

export const realImages: Requirement = () =>
  existsSync(join(sharedImages, "alpine/index.json")) ? undefined : "no ../shared/images";

export const registryPrograms: Requirement[] = [
  program("docker-registry"),
  program("skopeo"),
  program("busybox", "busybox-static"),
];
