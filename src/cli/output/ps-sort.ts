/** `ps --sort`: podman's words. */
import { type Container, statusOf } from "../../container/index.ts";
import { containerSize } from "../../container/sizes.ts";
import { TspodError } from "../../errors.ts";
import type { CliContext } from "../command.ts";

type Key = string | number;

const keys: Readonly<Record<string, (container: Container, context: CliContext) => Key>> = {
  command: ({ command }) => command.join(" "),
  created: ({ createdAt }) => createdAt,
  id: ({ id }) => id,
  image: ({ imageName }) => imageName,
  names: ({ name }) => name,
  runningfor: ({ state }) => (state.status === "created" ? "" : state.startedAt),
  size: (container, context) => containerSize(context, container).writableBytes,
  status: (container) => statusOf(container),
};

/** Throws usage. */
export function sortBy(word: string, context: CliContext): (all: Container[]) => Container[] {
  const key = Object.hasOwn(keys, word) ? keys[word] : undefined;
  if (key === undefined) {
    throw new TspodError("usage", `Invalid --sort "${word}"`, {
      next: `use one of: ${Object.keys(keys).join(", ")}`,
    });
  }
  return (containers) =>
    containers
      .map((container) => ({ container, at: key(container, context) }))
      .sort(({ at: a }, { at: b }) => (a < b ? -1 : a > b ? 1 : 0))
      .map(({ container }) => container);
}
