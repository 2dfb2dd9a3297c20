/** What one container, or image, has otherwise than another one. */
import { TspodError } from "../errors.ts";
import { compareTrees, type FileChange } from "../helper/index.ts";
import { loadDiff } from "../image/index.ts";
import { layersOf, ownMountPoints } from "./changes.ts";
import type { ContainerContext } from "./context.ts";
import { tellingWhy, verbOf } from "./copy.ts";
import { type Container, getContainer } from "./find.ts";

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
  const container = kind === "image" ? null : containerOf(context, name, kind);
  if (container !== null) {
    const { upper, lower, hasMarks } = layersOf(context, container);
    const except = ownMountPoints(context, container);
    const layers = [upper.directory, ...lower];
    return { ...{ name, layers, except, hasMarks }, mapping: upper.mapping, [Symbol.dispose]() {} };
  }
  const { keepTrees } = await loadDiff();
  try {
    const trees = keepTrees(context, name);
    return {
      ...{ name, layers: trees.directories, except: [], hasMarks: false },
      ...{ mapping: context.mapping, [Symbol.dispose]: () => trees[Symbol.dispose]() },
    };
  } catch (error) {
    if (kind === "image" || !isNotFound(error, "image.not_found")) throw error;
    throw new TspodError("container.not_found", `Cannot find a container or an image "${name}"`, {
      next: "tspod ps -a and tspod images list them",
    });
  }
}

/** Null: it may be an image. Errors: container.not_found, container.ambiguous. */
function containerOf(context: ContainerContext, name: string, kind: Compared): Container | null {
  try {
    return getContainer(context, name);
  } catch (error) {
    if (kind === "either" && isNotFound(error, "container.not_found")) return null;
    throw error;
  }
}

function isNotFound(error: unknown, code: "container.not_found" | "image.not_found"): boolean {
  return error instanceof TspodError && error.code === code;
}

function haveSameIds(a: Mapping, b: Mapping): boolean {
  return Bun.deepEquals([a.uid, a.gid], [b.uid, b.gid]);
}
