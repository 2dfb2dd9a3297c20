/** What one container, or image, has otherwise than another one. */
import { TspodError } from "../errors.ts";
import { compareTrees, type FileChange } from "../helper/index.ts";
import { loadDiff } from "../image/index.ts";
import { layersOf, ownMountPoints } from "./changes.ts";
import type { ContainerContext } from "./context.ts";
import { tellingWhy, verbOf } from "./copy.ts";
import { findContainer } from "./find.ts";

type Mapping = ContainerContext["mapping"];

interface Stack extends Disposable {
  name: string;
  /** Topmost first. */
  layers: string[];
  mapping: Mapping;
  except: string[];
  hasMarks: boolean;
}

/** What each of them may be. */
export type Compared = "container" | "image" | "either";

/**
 * Changes that make `other` into `name`, in order of path; owner, mode, kind, size and time of a file tell, not its content.
 * Errors: container.not_found, image.not_found, files.refused, host.*.
 */
export async function compareFiles(
  context: ContainerContext,
  { name, other, kind }: { name: string; other: string; kind: Compared },
): Promise<FileChange[]> {
  using old = await stackOf(context, other, kind);
  using now = await stackOf(context, name, kind);
  if (!haveSameIds(old.mapping, now.mapping)) {
    throw new TspodError(
      "files.refused",
      `Cannot compare "${name}" with "${other}": their user ids mean others on the host`,
      { next: "tspod inspect -f '{{json .HostConfig.IDMappings}}' shows a container's" },
    );
  }
  return tellingWhy({ from: other, to: name }, () =>
    compareTrees(verbOf(context), now.layers, {
      ...{ lower: old.layers, mapping: now.mapping },
      except: [...old.except, ...now.except],
      hasMarks: old.hasMarks || now.hasMarks,
    }),
  );
}

/** A container of that name comes first, as podman has it. */
async function stackOf(context: ContainerContext, name: string, kind: Compared): Promise<Stack> {
  const container = kind === "image" ? null : findContainer(context, name);
  if (container !== null) {
    const { upper, lower, hasMarks } = layersOf(context, container);
    const except = ownMountPoints(context, container);
    const layers = [upper.directory, ...lower];
    return { ...{ name, layers, except, hasMarks }, mapping: upper.mapping, [Symbol.dispose]() {} };
  }
  if (kind === "container") throw notFound("container", name, "tspod ps -a lists them");
  const { keepTrees } = await loadDiff();
  try {
    const trees = keepTrees(context, name);
    return {
      ...{ name, layers: trees.directories, except: [], hasMarks: false },
      ...{ mapping: context.mapping, [Symbol.dispose]: () => trees[Symbol.dispose]() },
    };
  } catch (error) {
    const isMissing = error instanceof TspodError && error.code === "image.not_found";
    if (kind === "image" || !isMissing) throw error;
    throw notFound("container or an image", name, "tspod ps -a and tspod images list them");
  }
}

function notFound(what: string, name: string, next: string): TspodError {
  return new TspodError("container.not_found", `Cannot find a ${what} "${name}"`, { next });
}

function haveSameIds(a: Mapping, b: Mapping): boolean {
  const plain = ({ uid, gid }: Mapping): string =>
    JSON.stringify(
      [uid, gid].map((lines) =>
        lines.map(({ containerID, hostID, size }) => [containerID, hostID, size]),
      ),
    );
  return plain(a) === plain(b);
}
