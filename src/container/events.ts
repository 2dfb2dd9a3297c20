/** What this program does to containers, written down where a monitor writes what it does (store/events.ts). */
import type { ContainerRecord } from "../store/containers.ts";
import { recordEvent } from "../store/events.ts";
import type { ContainerContext } from "./context.ts";

/** `attributes`: of "create" the labels, which whoever filters by them finds there when the container is gone. */
export function recordContainerEvent(
  context: Pick<ContainerContext, "paths">,
  status: string,
  { id, name, imageName: image }: Pick<ContainerRecord, "id" | "name" | "imageName">,
  attributes: Record<string, string> = {},
): void {
  recordEvent(context, { type: "container", status, id, name, image, attributes });
}
