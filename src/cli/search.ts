/** `tspod search`. */
import { TspodError } from "../errors.ts";
import { type FoundImage, loadSearch } from "../image/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { accessFlags } from "./options/registry.ts";
import { registryAccess } from "./options/registry-values.ts";
import { formatRows } from "./output/format.ts";
import { print } from "./output/print.ts";
import { formatTable } from "./output/table.ts";

type Row = ReturnType<typeof rowOf>;
interface TagRow {
  Name: string;
  Tag: string;
}

const column = <T, K extends string & keyof T>(header: string, field: K) => ({
  ...{ header, field },
  cell: (row: T) => String(row[field]),
});

const columns = [
  column<Row, "Name">("NAME", "Name"),
  column<Row, "Description">("DESCRIPTION", "Description"),
  column<Row, "Stars">("STARS", "Stars"),
  column<Row, "Official">("OFFICIAL", "Official"),
];
const tagColumns = [column<TagRow, "Name">("NAME", "Name"), column<TagRow, "Tag">("TAG", "Tag")];

const limitDefault = 25;
const limitMax = 20_000;
const descriptionLengthMax = 44;

export default defineCommand({
  path: ["search"],
  usage: "TERM",
  summary: "Search registries for images",
  examples: [
    ["In one registry", "tspod search quay.io/nginx"],
    ["The tags of an image", "tspod search --list-tags quay.io/podman/hello"],
  ],
  flags: {
    filter: list("-f,--filter", "KEY=VALUE", "stars=N or is-official=BOOL"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    limit: value("--limit", "NUMBER", "At most so many (25)"),
    listTags: boolean("--list-tags", "The tags of the image of that name"),
    noTrunc: boolean("--no-trunc", "Whole descriptions"),
    compatible: boolean("--compatible", "Accepted: the columns are docker's"),
    ...accessFlags,
  },
  args: { min: 1, max: 1, completes: "none" },
  async run(context, flags, [term = ""]) {
    const limit = parseLimit(flags.limit, flags.listTags);
    const isWanted = parseFilters(flags.filter);
    const access = await registryAccess(flags);
    const { searchImages, searchTags } = await loadSearch();
    if (flags.listTags) {
      const { name, tags } = await searchTags(context, term, { access, limit });
      const rows = tags.map((tag): TagRow => ({ Name: name, Tag: tag }));
      const { format } = flags;
      await print(
        format === null
          ? formatTable(tagColumns, rows)
          : await formatRows(format, rows, tagColumns),
      );
      return 0;
    }
    const found = (await searchImages(context, term, { access, limit })).filter(isWanted);
    const rows = found.map((image) => rowOf(image, flags.noTrunc));
    const { format } = flags;
    await print(
      format === null ? formatTable(columns, rows) : await formatRows(format, rows, columns),
    );
    return 0;
  },
});

function rowOf(
  { index, name, description, stars, isOfficial, isAutomated }: FoundImage,
  isWhole: boolean,
) {
  const text = description.replace(/\s+/g, " ").trim();
  const isLong = !isWhole && text.length > descriptionLengthMax;
  const full = index === "docker.io" && !name.includes("/") ? `library/${name}` : name;
  return {
    Index: index,
    Name: name.startsWith(`${index}/`) ? name : `${index}/${full}`,
    Description: isLong ? `${text.slice(0, descriptionLengthMax - 3)}...` : text,
    Stars: stars,
    Official: isOfficial ? "[OK]" : "",
    Automated: isAutomated ? "[OK]" : "",
  };
}

function parseLimit(text: string | null, isOfTags: boolean): number {
  if (text === null) return isOfTags ? limitMax : limitDefault;
  const limit = Number(text);
  if (/^\d+$/.test(text) && limit >= 1 && limit <= limitMax) return limit;
  throw new TspodError("usage", `Invalid --limit "${text}"`, { next: `use 1 to ${limitMax}` });
}

function parseFilters(texts: readonly string[]): (image: FoundImage) => boolean {
  const tests = texts.map((text): ((image: FoundImage) => boolean) => {
    const [, key, wanted = ""] = /^(stars|is-official|is-automated)=(.+)$/.exec(text) ?? [];
    if (key === "stars" && /^\d+$/.test(wanted)) return ({ stars }) => stars >= Number(wanted);
    const isTrue = /^(true|1)$/.test(wanted);
    if (isTrue || /^(false|0)$/.test(wanted)) {
      if (key === "is-official") return ({ isOfficial }) => isOfficial === isTrue;
      if (key === "is-automated") return ({ isAutomated }) => isAutomated === isTrue;
    }
    throw new TspodError("usage", `Invalid filter "${text}"`, {
      next: "use stars=N, is-official=true or is-automated=false",
    });
  });
  return (image) => tests.every((matches) => matches(image));
}
