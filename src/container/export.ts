/** Writes a container's whole root file system as an archive: what is mounted in it is not part of it. */
import { sendTo } from "../helper/index.ts";
import type { ContainerContext } from "./context.ts";
import { placeOf, tellingWhy, verbOf } from "./copy.ts";
import { recordContainerEvent } from "./events.ts";
import type { Container } from "./find.ts";
import { refreshRoot } from "./joined.ts";

/** The same files give the same bytes. Errors: files.refused, host.*. */
export async function exportContainer(
  context: ContainerContext,
  container: Container,
  descriptor: number,
): Promise<void> {
  await refreshRoot(context, container);
  await tellingWhy({ from: container.name, to: "the archive" }, () =>
    sendTo(
      verbOf(context),
      { place: placeOf(context, { container }), path: "/", name: "", isBare: true },
      descriptor,
    ),
  );
  recordContainerEvent(context, "export", container);
}
