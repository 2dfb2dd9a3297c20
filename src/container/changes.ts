/** What a container has changed of its image. */
import { TspodError } from "../errors.ts";
import { type FileChange, type Place, treeChanges } from "../helper/index.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import type { CreateOptions, HelperSettings } from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { tellingWhy, verbOf } from "./copy.ts";
import { readContainerFile } from "./files.ts";
import type { Container } from "./find.ts";

/** In order of path. Errors: files.refused where there is nothing to compare with. */
export async function containerChanges(
  context: ContainerContext,
  container: Container,
): Promise<FileChange[]> {
  const { upper, lower, hasMarks } = layersOf(context, container);
  return tellingWhy({ from: container.name, to: "its image" }, () =>
    treeChanges(verbOf(context), upper, {
      ...{ lower, hasMarks },
      except: ownMountPoints(context, container),
    }),
  );
}

/** What it has changed, and of what. Errors: files.refused. */
export function layersOf(
  context: ContainerContext,
  container: Container,
): { upper: TreePlace; lower: string[]; hasMarks: boolean } {
  const { rootfs } = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  const upper = upperOf(context, container);
  if (rootfs.kind === "copy" || rootfs.kind === "directory" || upper === null) {
    const why = {
      copy: "this host has no overlay, so its root is a copy",
      directory: "its root is a directory of the host, and nothing keeps its changes apart",
      overlay: "its changes are kept in memory while it runs",
      "fuse-overlayfs": "",
    }[rootfs.kind];
    throw new TspodError(
      "files.refused",
      `Cannot tell what "${container.name}" has changed: ${why}`,
      {
        next: "tspod export has all of it",
      },
    );
  }
  return { upper, lower: rootfs.lower, hasMarks: rootfs.kind === "fuse-overlayfs" };
}

type TreePlace = Extract<Place, { kind: "tree" }>;

/** Where its changes lie, seen with its own ids. Null: nothing keeps them apart. */
export function upperOf(context: ContainerContext, container: Container): TreePlace | null {
  const { rootfs, idMapTools } = readContainerFile<HelperSettings>(
    context,
    container.id,
    "helper.json",
  );
  if (rootfs.kind === "copy" || rootfs.kind === "directory") return null;
  if (rootfs.kind === "overlay" && rootfs.inMemory === true) return null;
  const { linux } = readContainerFile<RuntimeSpec>(context, container.id, "config.json");
  const { uidMappings = [], gidMappings = [] } = linux;
  // with another container's ids it has no map of its own: what it wrote was written with the caller's
  const mapping =
    uidMappings.length === 0
      ? context.mapping
      : { uid: uidMappings, gid: gidMappings, tools: idMapTools };
  return { kind: "tree", directory: rootfs.upper, mapping };
}

/** What create and start put into every root: no change of the container's. Relative to it. */
export function ownMountPoints(context: ContainerContext, { id, options }: Container): string[] {
  const { mounts } = readContainerFile<RuntimeSpec>(context, id, "config.json");
  const asked = new Set((options as CreateOptions).mounts.map(({ destination }) => destination)); // create recorded it
  return mounts
    .map(({ destination }) => destination)
    .filter((destination) => !asked.has(destination))
    .map((destination) => destination.replace(/^\/+/, ""));
}
