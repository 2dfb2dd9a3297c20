/**
 * Root file systems of containers that map ids otherwise, on another kernel than the one they were made on: where files
 * cannot have their content elsewhere (before Linux 6.16), the image's layers are copied after all. What the container has
 * written stays: it lies above them.
 */
import { ensureMappedLayers, getImage } from "../image/index.ts";
import type { HelperSettings } from "../spec/index.ts";
import type { ContainerRecord } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile, writeContainerFile } from "./files.ts";
import { namespacesOf } from "./asked.ts";
import { idsOf } from "./namespaces.ts";

/** Nothing to do for most. The container may not run. Errors: those of ensureMappedLayers. */
export async function refreshMappedRoot(
  context: ContainerContext,
  record: ContainerRecord,
): Promise<void> {
  const { userns } = namespacesOf(record);
  if (userns === null) return;
  const helper = readContainerFile<HelperSettings>(context, record.id, "helper.json");
  if (helper.rootfs.kind !== "overlay" || helper.rootfs.data === undefined) return;
  if (context.hasDataLayers) return;
  const image = getImage(context, record.imageId);
  const owners = idsOf(context, userns, image)?.owners;
  if (owners === undefined) return; // its data are other layers than an image's
  using kept = new DisposableStack();
  const what = record.imageName;
  const { layers } = await ensureMappedLayers(context, image, {
    ...{ owners, what, kept, isLight: false },
  });
  const { data: _, ...rootfs } = helper.rootfs;
  const next: HelperSettings = { ...helper, rootfs: { ...rootfs, lower: layers } };
  writeContainerFile(context, record.id, "helper.json", JSON.stringify(next));
}
