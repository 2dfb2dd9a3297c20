/** A container whose root is a directory of the host: what stands in an image's place. Loaded only for such. */
import { readFileSync, realpathSync } from "node:fs";
import type { StoredImage } from "../image/index.ts";
import { hostPlatform } from "../oci/index.ts";
import type { DirectoryRoot } from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";

/** It says nothing: no command, no environment, no layers. */
export function imageOfDirectory(): StoredImage {
  const nothing = { entrypoint: [], cmd: [], env: [], exposedPorts: [], volumes: [] } as const;
  return {
    id: "" as StoredImage["id"], // that of no image
    reference: "",
    digest: "",
    layers: [],
    config: {
      ...nothing,
      platform: hostPlatform(),
      ...{ created: "", author: "", user: "", workingDir: "", stopSignal: "" },
      ...{ labels: {}, shell: [], onBuild: [], diffIds: [], history: [] },
    },
  };
}

/**
 * Whether what is written to a throw-away root has to be kept in memory: overlayfs takes no upper directory inside of its
 * lower one, where the store may lie, and no lower one in which something is mounted.
 */
export function staysInMemory(
  { paths, warn }: Pick<ContainerContext, "paths" | "warn">,
  { directory, isThrowAway }: DirectoryRoot,
): boolean {
  if (!isThrowAway) return false;
  const prefix = directory === "/" ? "/" : `${directory}/`;
  const isInside = realpathSync(paths.containers).startsWith(prefix);
  const why = isInside
    ? `the store lies inside of "${directory}"`
    : hasMounts(prefix)
      ? `something is mounted inside of "${directory}"`
      : undefined;
  if (why === undefined) return false;
  warn(`What is written is kept in memory, until the container ends: ${why}`);
  return true;
}

/** proc(5), mountinfo: the fifth field, with blanks and the like as \\040. */
function hasMounts(prefix: string): boolean {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const places = lines.map((line) => line.split(" ", 5)[4] ?? "");
  const unescaped = places.map((place) =>
    place.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(parseInt(digits, 8)),
    ),
  );
  return unescaped.some((place) => place !== prefix && place.startsWith(prefix));
}
