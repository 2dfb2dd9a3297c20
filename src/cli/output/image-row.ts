/** A line of `tspod images`: docker's fields, and podman's where docker has none. */
import type { NamedImage } from "../../image/index.ts";
import { formatDuration } from "../../lib/duration.ts";
import { formatSize } from "../../lib/size.ts";
import { familiarName, parseReference, repositoryName } from "../../oci/index.ts";
import type { Column } from "./table.ts";

export type ImageRow = ReturnType<typeof imageRow>;

export interface ImageRowOptions {
  isTruncated: boolean;
  nowMs: number;
  /** How many containers stand on the image of that id. */
  containersOf: (id: string) => number;
}

const shortIdLength = 12;
const none = "<none>";

export function imageRow(
  { image, name }: NamedImage,
  { isTruncated, nowMs, containersOf }: ImageRowOptions,
) {
  const parsed = name === undefined ? null : parseReference(name.reference);
  const createdMs = Date.parse(image.createdAt);
  const size = formatSize(image.sizeBytes, { digits: 3 });
  return {
    ID: isTruncated ? image.id.slice("sha256:".length).slice(0, shortIdLength) : image.id,
    Repository: parsed === null ? none : familiarName(parsed),
    Tag: parsed?.tag ?? none,
    Digest: name === undefined || name.digest === "" ? none : name.digest,
    CreatedAt: image.createdAt,
    CreatedSince: Number.isNaN(createdMs) ? "N/A" : `${formatDuration(nowMs - createdMs)} ago`,
    Size: size,
    VirtualSize: size,
    Platform: image.platform,
    Id: image.id,
    Names: image.names.map(({ reference }) => reference).join(","),
    Dangling: name === undefined,
    ReadOnly: false,
    // read, and looked up, only when somebody asks
    get Labels(): string {
      return Object.entries(image.labels)
        .map(([key, text]) => `${key}=${text}`)
        .join(",");
    },
    get Containers(): string {
      return String(containersOf(image.id));
    },
  };
}

/**
 * The row with podman's and docker's other fields: for templates, which name what they want. In json they would make
 * every list longer for nobody.
 */
export function fullImageRow(row: ImageRow, { image }: NamedImage): ImageRow {
  const names = image.names.map(({ reference }) => reference);
  const others = {
    ...{ Created: row.CreatedSince, SharedSize: "N/A", UniqueSize: "N/A", ParentId: "" },
    ...{ CreatedTime: image.createdAt, IsDangling: row.Dangling, IsReadOnly: false },
    ...platformFields(image.platform),
    ...{ History: names, RepoTags: names },
    RepoDigests: [
      ...new Set(
        image.names
          .filter(({ digest }) => digest !== "")
          .map(({ reference, digest }) => `${repositoryName(parseReference(reference))}@${digest}`),
      ),
    ],
  };
  return Object.defineProperties(row, Object.getOwnPropertyDescriptors(others));
}

/** "linux/arm64/v8", by podman's names and by those of image inspect. */
function platformFields(platform: string) {
  const [Os = "", Arch = "", Variant = ""] = platform.split("/");
  return { Os, Arch, Architecture: Arch, Variant, IsManifestList: false };
}

const columns = (
  [
    ["REPOSITORY", "Repository"],
    ["TAG", "Tag"],
    ["DIGEST", "Digest"],
    ["IMAGE ID", "ID"],
    ["CREATED", "CreatedSince"],
    ["SIZE", "Size"],
  ] as const
).map(([header, key]) => ({ header, field: key, cell: (row: ImageRow) => row[key] }));

export function imageColumns({ withDigests }: { withDigests: boolean }): Column<ImageRow>[] {
  return columns.filter(({ field }) => withDigests || field !== "Digest");
}
