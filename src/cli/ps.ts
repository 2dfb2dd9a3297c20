/** `tspod ps`. */
import { type Container, isUp, listContainers } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { type PsRow, psRow } from "./output/ps-row.ts";
import { formatTable } from "./output/table.ts";

const columns = (
  [
    ["CONTAINER ID", "ID"],
    ["IMAGE", "Image"],
    ["COMMAND", "Command"],
    ["CREATED", "RunningFor"],
    ["STATUS", "Status"],
    ["PORTS", "Ports"],
    ["NAMES", "Names"],
  ] as const
).map(([header, key]) => ({ header, field: key, cell: (row: PsRow) => row[key] }));

export default defineCommand({
  path: ["ps"],
  usage: "",
  summary: "List containers",
  flags: {
    all: boolean("-a,--all", "Also those that do not run"),
    quiet: boolean("-q,--quiet", "Only ids"),
    noTrunc: boolean("--no-trunc", "Whole ids and commands"),
    filter: list("-f,--filter", "KEY=VALUE", "name, id, label, status, ancestor, exited or health"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    last: value("-n,--last", "NUMBER", "The last created, running or not"),
    latest: boolean("-l,--latest", "The last created, running or not"),
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const filters = flags.filter.map(parseFilter);
    const count = flags.latest ? 1 : flags.last === null ? Infinity : Number(flags.last);
    if (Number.isNaN(count)) {
      throw new TspodError("usage", `Invalid --last "${flags.last}"`, { next: "give a number" });
    }
    const asksStatus = flags.filter.some((filter) => /^(status|exited)=/.test(filter));
    const showsAll = flags.all || count !== Infinity || asksStatus;
    const containers = listContainers(context)
      .filter(({ state }) => showsAll || isUp(state))
      .filter((container) => filters.every((matches) => matches(container)))
      .slice(0, count);
    const options = { nowMs: Date.now(), isTruncated: !flags.noTrunc };
    const rows = containers.map((container) => psRow(container, options));
    if (flags.quiet) await print(rows.map(({ ID }) => `${ID}\n`).join(""));
    else if (flags.format !== null) await print(await formatRows(flags.format, rows, columns));
    else await print(formatTable(columns, rows));
    return 0;
  },
});

/** Throws usage. */
export function parseFilter(text: string): (container: Container) => boolean {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  const wanted = equals < 0 ? "" : text.slice(equals + 1);
  switch (key) {
    case "name":
      return ({ name }) => name.includes(wanted);
    case "id":
      return ({ id }) => id.startsWith(wanted);
    case "status":
      return ({ state }) => state.status === wanted;
    case "ancestor":
      return ({ imageName, imageId }) => imageName === wanted || imageId.includes(wanted);
    case "health":
      return ({ state }) =>
        (state.status === "running" ? (state.health ?? "none") : "none") === wanted;
    case "exited":
      return ({ state }) => state.status === "exited" && state.exitCode === Number(wanted);
    case "label":
      return ({ labels }) => {
        const [name = "", value] = wanted.split("=", 2);
        return value === undefined ? Object.hasOwn(labels, name) : labels[name] === value;
      };
    default:
      throw new TspodError("usage", `Unknown filter "${key}"`, {
        next: "use name, id, label, status, ancestor, exited or health, e.g. -f status=exited",
      });
  }
}
