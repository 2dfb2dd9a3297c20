/** `tspod stats`. */
import { type Container, getContainer, getLatest, listContainers } from "../container/index.ts";
import { findContainer } from "../container/index.ts";
import { type Sample, sampleContainer } from "../container/stats.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { latestFlag } from "./options/selection-flags.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { repeat } from "./output/repeat.ts";
import { terminalCells } from "./output/screen.ts";
import { nothing, statsColumns, statsRow } from "./output/stats-row.ts";
import { formatTable } from "./output/table.ts";

export default defineCommand({
  path: ["stats"],
  usage: "[CONTAINER...]",
  summary: "Show what running containers use of the host, again and again",
  flags: {
    all: boolean("-a,--all", "Also those that do not run"),
    noStream: boolean("--no-stream", "Once, since they were started"),
    noReset: boolean("--no-reset", "Do not clear the screen"),
    noTrunc: boolean("--no-trunc,--notrunc", "Whole ids"),
    interval: value("-i,--interval", "SECONDS", "How often; 1 otherwise"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    latest: latestFlag,
  },
  args: { min: 0, max: Infinity, completes: "running" },
  async run(context, flags, args) {
    const interval = flags.interval === null ? 1 : Number(flags.interval);
    if (!(interval > 0)) {
      throw new TspodError("usage", `Invalid --interval "${flags.interval}"`, {
        next: "give seconds, such as 5",
      });
    }
    const select = selectFor(context, { ...flags, args });
    select(); // a wrong name is an error; one that goes away later is gone
    const before = new Map<string, Sample>();
    const lacking = new Set<string>();
    const show = async (): Promise<string> => {
      const rows = select().map(({ container, asked }) => {
        const sample = sampleContainer(container);
        const last = before.get(container.id) ?? null;
        if (sample !== null) before.set(container.id, sample);
        if (sample?.memoryBytes === null) lacking.add("memory");
        if (sample?.blockInBytes === null) lacking.add("io");
        const { id, name } = container;
        return statsRow(sample, last, { id, name, asked, isTruncated: !flags.noTrunc });
      });
      if (flags.format !== null) return formatRows(flags.format, rows, statsColumns);
      const cells = await terminalCells();
      return formatTable(statsColumns, rows, cells === undefined ? {} : { fitCells: cells });
    };
    const first = await show();
    if (lacking.size > 0 && first.includes(nothing)) {
      const names = [...lacking].map((name) => `"${name}"`).join(" and ");
      context.warn(
        `the containers' cgroups lack the controller ${names}: what it would count is "${nothing}"`,
      );
    }
    if (flags.noStream) {
      await print(first);
      return 0;
    }
    let next: string | null = first;
    return repeat(
      context,
      interval,
      async () => {
        const text = next ?? (await show());
        next = null;
        return text;
      },
      { isReset: !flags.noReset },
    );
  },
});

interface Selected {
  container: Container;
  asked: string;
}

/** What there is to show each time; names are looked up once. */
function selectFor(
  context: CliContext,
  { args, latest, all }: { args: string[]; latest: boolean; all: boolean },
): () => Selected[] {
  if ([args.length > 0, latest, all].filter(Boolean).length > 1) {
    throw new TspodError("usage", "Cannot combine names, --latest and --all", {
      next: "leave all but one of them away",
    });
  }
  if (args.length === 0 && !latest) {
    return () =>
      listContainers(context)
        .filter(({ state }) => all || state.status === "running")
        .map((container) => ({ container, asked: container.id.slice(0, 12) }));
  }
  const chosen = latest
    ? [{ container: getLatest(context), asked: "" }]
    : args.map((asked) => ({ container: getContainer(context, asked), asked }));
  return () =>
    chosen.flatMap(({ container: { id }, asked }) => {
      const container = findContainer(context, id);
      return container === null ? [] : [{ container, asked }];
    });
}
