/** `tspod registry referrers`: what oras discover does. */
import { loadRegistryContent, type Referrer } from "../../image/index.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { formatRows } from "../output/format.ts";
import { print } from "../output/print.ts";
import { formatTable } from "../output/table.ts";

type Row = ReturnType<typeof rowOf>;

const columns = (
  [
    ["ARTIFACT TYPE", "ArtifactType"],
    ["DIGEST", "Digest"],
    ["SIZE", "Size"],
  ] as const
).map(([header, field]) => ({ header, field, cell: (row: Row) => row[field] }));

export default defineCommand({
  path: ["registry", "referrers"],
  usage: "REFERENCE",
  summary: "List what refers to an image in its registry: signatures, SBOMs, attestations",
  flags: {
    artifactType: value("--artifact-type", "TYPE", "Only of this type"),
    format: value("--format", "TEMPLATE", "json, table or a Go template", ["json", "table"]),
    ...accessFlags,
  },
  args: { min: 1, max: 1, completes: "none" },
  async run(context, flags, [name = ""]) {
    const { referrersOf } = await loadRegistryContent();
    const { artifactType, format } = flags;
    const { referrers } = await referrersOf(context, name, {
      access: await registryAccess(flags),
      ...(artifactType === null ? {} : { artifactType }),
    });
    const rows = referrers.map(rowOf);
    const text =
      format === null ? formatTable(columns, rows) : await formatRows(format, rows, columns);
    await print(text);
    return 0;
  },
});

function rowOf({ artifactType, mediaType, digest, sizeBytes, annotations = {} }: Referrer) {
  return {
    ArtifactType: artifactType,
    MediaType: mediaType,
    Digest: digest,
    Size: formatSize(sizeBytes, { digits: 3 }),
    SizeBytes: sizeBytes,
    Annotations: { ...annotations },
  };
}
