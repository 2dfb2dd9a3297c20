/** `tspod images`. */
import { type ImageRecord, listImages, loadSelect, type NamedImage } from "../image/index.ts";
import { TspodError } from "../errors.ts";
import { containerCounts } from "../store/image-writes.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, type FlagValues, list, value } from "./flags.ts";
import { formatRows } from "./output/format.ts";
import { fullImageRow, imageColumns, imageRow, type ImageRow } from "./output/image-row.ts";
import { print } from "./output/print.ts";
import { formatTable } from "./output/table.ts";

const sorts = ["created", "id", "repository", "size", "tag"] as const;

const flags = {
  all: boolean("-a,--all", "Accepted: no image here is only a step of another"),
  digests: boolean("--digests", "Show what the registry calls them"),
  filter: list("-f,--filter", "KEY=VALUE", "dangling, reference, label, before, since, until, ..."),
  format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
  noHeading: boolean("-n,--noheading", "Without the line of headings"),
  noTrunc: boolean("--no-trunc", "Whole ids"),
  quiet: boolean("-q,--quiet", "Only ids"),
  sort: value("--sort", "COLUMN", "Order by this column", sorts),
  tree: boolean("--tree", "Show which layers they stand on"),
} as const;

export default defineCommand({
  path: ["images"],
  usage: "[NAME]",
  summary: "List images",
  examples: [["All of one registry", 'tspod images "registry.example.org/*/*"']],
  flags,
  args: { min: 0, max: 1, completes: "image" },
  refused: { "--history": "names that an image no longer has are not kept" },
  async run(context, flags, [wanted]) {
    const lines = await select(context, flags, wanted);
    if (flags.tree) {
      const { imageForest } = await import("./output/image-tree.ts");
      await print(imageForest(context, new Set(lines.map(({ image }) => image.id))));
      return 0;
    }
    const rows = rowsOf(context, lines, flags);
    const columns = imageColumns({ withDigests: flags.digests });
    const table = { isHeaderless: flags.noHeading };
    if (flags.quiet) await print([...new Set(rows.map(({ ID }) => `${ID}\n`))].join(""));
    else if (flags.format === null) await print(formatTable(columns, rows, table));
    else await print(await formatRows<ImageRow>(flags.format, rows, columns, table));
    return 0;
  },
});

function rowsOf(
  { database, now }: CliContext,
  lines: readonly NamedImage[],
  { format, noTrunc }: FlagValues<typeof flags>,
): ImageRow[] {
  let counts: Map<string, number> | undefined; // read when somebody asks
  const containersOf = (id: string): number => (counts ??= containerCounts(database)).get(id) ?? 0;
  const options = { isTruncated: !noTrunc, nowMs: Date.parse(now()), containersOf };
  const row = (line: NamedImage): ImageRow => imageRow(line, options);
  if (format?.includes("{{") !== true) return lines.map(row);
  return lines.map((line) => fullImageRow(row(line), line));
}

/** One line a name, as docker has it. */
async function select(
  context: CliContext,
  { filter, sort }: FlagValues<typeof flags>,
  wanted: string | undefined,
): Promise<NamedImage[]> {
  const inOrder = sortBy(sort);
  let isWanted: (line: NamedImage) => boolean = () => true;
  if (wanted !== undefined || filter.length > 0) {
    const { imageFilter, referenceMatcher } = await loadSelect();
    const isNamed = wanted === undefined ? () => true : referenceMatcher(wanted);
    const matches = imageFilter(context, filter, Date.parse(context.now()));
    isWanted = (line) => isNamed(line) && matches(line);
  }
  return inOrder(listImages(context).flatMap(linesOf).filter(isWanted));
}

const linesOf = (image: ImageRecord): NamedImage[] =>
  image.names.length === 0
    ? [{ image, name: undefined }]
    : image.names.map((name) => ({ image, name }));

function sortBy(word: string | null): (lines: NamedImage[]) => NamedImage[] {
  const tag = (reference: string): string => /:([^:/@]*)$/.exec(reference)?.[1] ?? "";
  const keys: Record<(typeof sorts)[number], ((line: NamedImage) => string | number) | null> = {
    created: null, // as they come
    id: ({ image }) => image.id,
    repository: ({ name }) => name?.reference ?? "",
    size: ({ image }) => image.sizeBytes,
    tag: ({ name }) => tag(name?.reference ?? ""),
  };
  const sort = sorts.find((each) => each === (word ?? "created"));
  if (sort === undefined) {
    throw new TspodError("usage", `Invalid --sort "${word}"`, {
      next: `use one of: ${sorts.join(", ")}`,
    });
  }
  const key = keys[sort];
  if (key === null) return (lines) => lines;
  return (lines) =>
    lines
      .map((line) => ({ line, at: key(line) }))
      .sort(({ at: a }, { at: b }) => (a < b ? -1 : a > b ? 1 : 0))
      .map(({ line }) => line);
}
