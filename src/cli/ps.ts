/** `tspod ps`. */
import { type Container, isUp, listContainers } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, type FlagValues, list, value } from "./flags.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { psColumns, psTable } from "./output/ps-columns.ts";
import { psFields, psRow } from "./output/ps-row.ts";
import { formatTable, type TableOptions } from "./output/table.ts";

const sorts = [
  "command",
  "created",
  "id",
  "image",
  "names",
  "runningfor",
  "size",
  "status",
] as const;

const flags = {
  all: boolean("-a,--all", "Also those that do not run"),
  quiet: boolean("-q,--quiet", "Only ids"),
  noTrunc: boolean("--no-trunc", "Whole ids and commands"),
  filter: list("-f,--filter", "KEY=VALUE", "Such as name, status, ancestor, label, volume, since"),
  format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
  last: value("-n,--last", "NUMBER", "The last created, running or not"),
  latest: boolean("-l,--latest", "The last created, running or not"),
  size: boolean("-s,--size", "Show what they have written to the disk"),
  sort: value("--sort", "COLUMN", "Order by this column", sorts),
  watch: value("-w,--watch", "SECONDS", "Show it anew, again and again"),
  namespaces: boolean("--ns,--namespace", "Show their namespaces instead"),
  pod: boolean("-p,--pod", "Show columns for pods, which are empty"),
  noHeading: boolean("--noheading", "Without the line of headings"),
  sync: boolean("--sync", "Accepted: what is shown is always how it is now"),
  external: boolean("--external", "Accepted: there are only containers of tspod here"),
} as const;

export default defineCommand({
  path: ["ps"],
  usage: "",
  summary: "List containers",
  flags,
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const show = await preparePs(context, flags);
    if (flags.watch === null) {
      await print(await show());
      return 0;
    }
    const { repeat } = await import("./output/repeat.ts");
    return repeat(context, seconds(flags.watch), show);
  },
});

type Flags = FlagValues<typeof flags>;

/** All that can be wrong is found out here; what it gives makes the text, as often as it is called. */
async function preparePs(context: CliContext, flags: Flags): Promise<() => Promise<string>> {
  const matches = await filterOf(context, flags);
  const count = countOf(flags);
  const asksStatus = flags.filter.some((filter) => /^(status|exited)!?=/.test(filter));
  const showsAll = flags.all || count !== Infinity || asksStatus;
  const order = await orderOf(context, flags);
  const select = (): Container[] =>
    order(
      listContainers(context)
        .filter(({ state }) => showsAll || isUp(state))
        .filter(matches)
        .slice(0, count),
    );
  return async () => format(context, flags, select());
}

async function format(context: CliContext, flags: Flags, found: Container[]): Promise<string> {
  const isTruncated = !flags.noTrunc;
  if (flags.quiet) {
    return found.map(({ id }) => `${isTruncated ? id.slice(0, shortIdLength) : id}\n`).join("");
  }
  const table = await tableOptions(flags);
  const asksTemplate = flags.format?.includes("{{") === true;
  if (flags.namespaces && !asksTemplate) {
    const { namespaceColumns, namespaceRow } = await import("./output/ps-namespaces.ts");
    const rows = found.map((container) => namespaceRow(container, { isTruncated }));
    return flags.format === null
      ? formatTable(namespaceColumns, rows, table)
      : formatRows(flags.format, rows, namespaceColumns, table);
  }
  const wantsSize = flags.size || (flags.format?.includes(".Size") ?? false);
  const size = wantsSize ? { size: await sizes(context) } : {};
  const options = { nowMs: Date.now(), isTruncated, ...size };
  if (flags.format === null) return formatTable(psTable(options, flags), found, table);
  const fields = psFields();
  const columns = psColumns(flags);
  if (asksTemplate && asksNamespaces.test(flags.format)) {
    const { namespaceValues } = await import("./output/ps-namespaces.ts");
    const rows = found.map((one) => ({ ...psRow(one, options), ...namespaceValues(one) }));
    const asked = flags.format.matchAll(new RegExp(asksNamespaces, "g"));
    fields.push(...[...asked].map(([, name = ""]) => name));
    return formatRows(flags.format, rows, columns, { ...table, fields });
  }
  const rows = found.map((container) => psRow(container, options));
  return formatRows(flags.format, rows, columns, { ...table, fields });
}

/** What is not asked for is not looked up. */
const asksNamespaces = /\.(Namespaces|Cgroup|CGROUPNS|IPC|MNT|NET|PIDNS|USERNS|UserNS|User|UTS)\b/;

const shortIdLength = 12;

async function filterOf(
  context: CliContext,
  { filter }: Flags,
): Promise<(container: Container) => boolean> {
  if (filter.length === 0) return () => true;
  return (await import("../container/filters.ts")).containerFilter(context, filter);
}

function countOf({ latest, last }: Flags): number {
  if (latest && last !== null) {
    throw new TspodError("usage", "Cannot combine --latest with --last", {
      next: "leave one of them away",
    });
  }
  if (latest) return 1;
  if (last === null || last === "-1") return Infinity; // docker's word for "not asked"
  if (/^\d+$/.test(last)) return Number(last);
  throw new TspodError("usage", `Invalid --last "${last}"`, { next: "give a number" });
}

async function orderOf(
  context: CliContext,
  { sort }: Flags,
): Promise<(containers: Container[]) => Container[]> {
  if (sort === null) return (containers) => containers; // the newest first
  return (await import("./output/ps-sort.ts")).sortBy(sort, context);
}

async function sizes(context: CliContext): Promise<(container: Container) => string> {
  const { containerSize } = await import("../container/sizes.ts");
  const { formatSize } = await import("../lib/size.ts");
  return (container) => {
    const { writableBytes, virtualBytes } = containerSize(context, container);
    const [own, all] = [writableBytes, virtualBytes].map((b) => formatSize(b, { digits: 3 }));
    return `${own} (virtual ${all})`;
  };
}

async function tableOptions({ noHeading, noTrunc }: Flags): Promise<TableOptions> {
  const { terminalCells } = await import("./output/screen.ts");
  const cells = noTrunc ? undefined : await terminalCells();
  return { isHeaderless: noHeading, ...(cells === undefined ? {} : { fitCells: cells }) };
}

function seconds(text: string): number {
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
  throw new TspodError("usage", `Invalid --watch "${text}"`, { next: "give whole seconds" });
}
