/** `tspod diff`: what a container has changed of its image. */
import { getContainer, loadChanges } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { print } from "./output/print.ts";
import { safe, safeJson } from "./output/safe.ts";
import { TspodError } from "../errors.ts";

const kinds = { A: "added", C: "changed", D: "deleted" } as const;

export default defineCommand({
  path: ["diff"],
  usage: "CONTAINER",
  summary: "Show what a container has changed: A added, C changed, D deleted",
  flags: {
    format: value("--format", "FORMAT", "json", ["json"]),
    quiet: boolean(
      "-q,--quiet",
      "Only whether there are changes: the exit code is 1 when there are none",
    ),
  },
  args: { min: 1, max: 1, completes: "container" },
  async run(context, flags, [name = ""]) {
    if (flags.format !== null && flags.format !== "json") {
      throw new TspodError("usage", `Invalid --format "${flags.format}"`, {
        next: "use json, or leave it away",
      });
    }
    const { containerChanges } = await loadChanges();
    const changes = await containerChanges(context, getContainer(context, name));
    if (flags.quiet) return changes.length > 0 ? 0 : 1;
    if (flags.format === null) {
      await print(changes.map(({ kind, path }) => `${kind} ${safe(path)}\n`).join(""));
      return 0;
    }
    // as podman has it: a list for each kind that there is
    const lists = Object.entries(kinds).flatMap(([kind, word]) => {
      const paths = changes.filter((change) => change.kind === kind).map(({ path }) => path);
      return paths.length === 0 ? [] : [[word, paths]];
    });
    await print(`${safeJson(JSON.stringify(Object.fromEntries(lists), null, 2))}\n`);
    return 0;
  },
});
