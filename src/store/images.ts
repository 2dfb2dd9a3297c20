/** The rows of images: names, what a name stands for, the layers below. Decides nothing; touches no file. */
import type { Database } from "bun:sqlite";
import { TspodError } from "../errors.ts";
import {
  type Digest,
  digestFromHex,
  formatReference,
  type ImageConfig,
  parseImageConfig,
  parseLabels,
  type Reference,
  repositoryName,
} from "../oci/index.ts";

export interface StoredImage {
  /** Digest of the config: what docker and podman call the image id. */
  readonly id: Digest;
  /** The canonical name it was found by, or the first it has, or "" when it has none. */
  readonly reference: string;
  /** What the registry calls that name (index or manifest), or "" when it never came from one. */
  readonly digest: Digest | "";
  readonly config: ImageConfig;
  /** Chain ids in hex, topmost first: names of directories in `layers/`, in overlayfs' order. */
  readonly layers: readonly string[];
}

/** What `images` and `image inspect` show. */
export interface ImageRecord extends StoredImage {
  readonly names: readonly ImageName[];
  readonly manifestDigest: Digest;
  readonly manifest: string;
  readonly configText: string;
  /** Those of `config`; of a list they are read without it. */
  readonly labels: Labels;
  /** "linux/amd64". */
  readonly platform: string;
  readonly sizeBytes: number;
  readonly createdAt: string;
  readonly pulledAt: string;
}

type Labels = Readonly<Record<string, string>>;

export interface ImageName {
  readonly reference: string;
  readonly digest: Digest | "";
}

interface Row {
  id: string;
  reference: string | null;
  digest: string | null;
  config: string;
  layers: string | null;
}

/** Topmost first, "!" before one that hides those after it. */
const layersColumn = `(SELECT group_concat(chain_id) FROM
  (SELECT iif(l.is_opaque, '!', '') || l.chain_id AS chain_id
   FROM image_layer il JOIN layer l ON l.chain_id = il.chain_id
   WHERE il.image_id = i.id ORDER BY il.position DESC)) AS layers`;

/** One read: the first of `references` (canonical names) that is there. */
export function findImageByName(
  database: Database,
  references: readonly string[],
): StoredImage | undefined {
  const marks = references.map(() => "?").join(", ");
  const rows = database
    .query<Row, string[]>(
      `SELECT i.id, n.reference, n.digest, i.config, ${layersColumn}
       FROM image_name n JOIN image i ON i.id = n.image_id WHERE n.reference IN (${marks})`,
    )
    .all(...references);
  for (const wanted of references) {
    const row = rows.find(({ reference }) => reference === wanted);
    if (row !== undefined) return stored(row);
  }
  return undefined;
}

/** "name@sha256:...": the digest is that of the index a tag of this name came from, or of the manifest itself. */
export function findImageByDigest(
  database: Database,
  reference: Reference & { digest: Digest },
): StoredImage | undefined {
  const name = repositoryName(reference);
  const row = database
    .query<Row, [string, string, string, string]>(
      `SELECT i.id, n.reference, n.digest, i.config, ${layersColumn}
       FROM image_name n JOIN image i ON i.id = n.image_id
       WHERE (n.digest = ?1 OR i.manifest_digest = ?1)
         AND (substr(n.reference, 1, length(?2)) = ?2 OR substr(n.reference, 1, length(?3)) = ?3)
       ORDER BY n.reference = ?4 DESC LIMIT 1`,
    )
    .get(reference.digest, `${name}:`, `${name}@`, formatReference(reference));
  return row === null ? undefined : { ...stored(row), reference: formatReference(reference) };
}

const ambiguousShownMax = 5;

/** `hex`: an image id or its beginning, without "sha256:". Throws image.not_found when several begin so. */
export function findImageById(database: Database, hex: string): StoredImage | undefined {
  const rows = database
    .query<Row, [string]>(
      `SELECT i.id, (SELECT min(reference) FROM image_name WHERE image_id = i.id) AS reference,
         (SELECT digest FROM image_name WHERE image_id = i.id ORDER BY reference LIMIT 1) AS digest,
         i.config, ${layersColumn}
       FROM image i WHERE i.id >= ?1 AND i.id < ?1 || 'g' LIMIT ${ambiguousShownMax}`,
    )
    .all(`sha256:${hex}`);
  if (rows.length > 1) {
    const ids = rows.map(({ id }) => id.slice("sha256:".length).slice(0, hex.length + 6));
    throw new TspodError(
      "image.not_found",
      `Cannot tell which image "${hex}" is: several begin so`,
      {
        next: `give more digits: ${ids.join(", ")}`,
      },
    );
  }
  return rows[0] === undefined ? undefined : stored(rows[0]);
}

interface RecordRow {
  id: string;
  reference: string | null;
  digest: string | null;
  /** Null: left in the database. */
  config: string | null;
  manifest_digest: string;
  manifest: string;
  platform: string;
  size_bytes: number;
  created_at: string;
  pulled_at: string;
}

/**
 * All images, the newest first; or only that one. Of all, the config is read when somebody asks for it: it is always the
 * same, for its digest is the image's id. Names and layers of all are read at once: asked for image by image they take ten
 * times as long.
 */
export function listImageRecords(database: Database, only?: Digest): ImageRecord[] {
  const read = database.transaction(() => ({
    rows: database
      .query<RecordRow, [string | null]>(
        `SELECT i.id, i.manifest_digest, i.manifest, i.platform, i.size_bytes, i.created_at, i.pulled_at,
           ${only === undefined ? "NULL" : "i.config"} AS config, n.reference, n.digest
         FROM image i LEFT JOIN image_name n ON n.image_id = i.id
         WHERE ?1 IS NULL OR i.id = ?1
         ORDER BY i.created_at DESC, i.pulled_at DESC, i.id, n.reference`,
      )
      .all(only ?? null),
    layers: layersOf(database, only),
  }));
  const { rows, layers } = read();
  let all: Map<string, Labels> | undefined;
  const labelsOf = (id: string): Labels | undefined =>
    (all ??= labelsOfAll(database)).get(id) ?? (hasImage(database, id) ? undefined : {});
  return namesOf(rows).map(({ row, names }) => {
    const [first] = names;
    return withLabels(
      row.config === null ? labelsOf : () => undefined,
      withConfig(row.config ?? (() => configOf(database, row.id)), {
        id: digestFromHex(row.id.slice("sha256:".length)),
        reference: first?.reference ?? "",
        digest: first?.digest ?? ("" as const),
        layers: visibleLayers(layers.get(row.id) ?? []),
        names,
        manifestDigest: row.manifest_digest as Digest, // written by insertImage from a Digest
        manifest: row.manifest,
        platform: row.platform,
        sizeBytes: row.size_bytes,
        createdAt: row.created_at,
        pulledAt: row.pulled_at,
      }),
    );
  });
}

/** Rows of one image, one for each of its names, come one after the other. */
function namesOf(rows: readonly RecordRow[]): { row: RecordRow; names: ImageName[] }[] {
  const images: { row: RecordRow; names: ImageName[] }[] = [];
  for (const row of rows) {
    let image = images.at(-1);
    if (image?.row.id !== row.id) images.push((image = { row, names: [] }));
    const digest = (row.digest ?? "") as Digest | ""; // written by insertImage from a Digest
    if (row.reference !== null) image.names.push({ reference: row.reference, digest });
  }
  return images;
}

/** By image, as `layersColumn` has them. */
function layersOf(database: Database, only: Digest | undefined): Map<string, string[]> {
  const rows = database
    .query<{ image: string; chain: string }, [string | null]>(
      `SELECT il.image_id AS image, iif(l.is_opaque, '!', '') || l.chain_id AS chain
       FROM image_layer il JOIN layer l ON l.chain_id = il.chain_id
       WHERE ?1 IS NULL OR il.image_id = ?1 ORDER BY il.image_id, il.position DESC`,
    )
    .all(only ?? null);
  const layers = new Map<string, string[]>();
  for (const { image, chain } of rows) {
    const known = layers.get(image);
    if (known === undefined) layers.set(image, [chain]);
    else known.push(chain);
  }
  return layers;
}

/** Of one that is removed while a list of all is made nobody asks more. */
function hasImage(database: Database, id: string): boolean {
  return database.query("SELECT 1 FROM image WHERE id = ?").get(id) !== null;
}

function configOf(database: Database, id: string): string {
  const row = database
    .query<{ config: string }, [string]>("SELECT config FROM image WHERE id = ?")
    .get(id);
  if (row !== null) return row.config;
  throw new TspodError("image.not_found", `Cannot find image "${id}": it was just removed`);
}

/** Without parsing all of each config: a list shows no more of it. Not there: what SQLite finds odd, or has no labels. */
function labelsOfAll(database: Database): Map<string, Labels> {
  const rows = database
    .query<{ id: string; labels: string | null }, []>(
      `SELECT id, config ->> '$.config.Labels' AS labels FROM image
       WHERE iif(json_valid(config), coalesce(json_type(config, '$.config.Labels'), 'null'), '') IN ('object', 'null')`,
    )
    .all();
  return new Map(rows.map(({ id, labels }) => [id, parseLabels(labels ?? "{}", id)]));
}

/** `known` gives those that need no reading of the config. */
function withLabels<T extends Config & { readonly id: Digest }>(
  known: (id: string) => Labels | undefined,
  image: T,
): T & Pick<ImageRecord, "labels"> {
  const labels = (): Labels => known(image.id) ?? image.config.labels;
  const property = { enumerable: true, configurable: true, get: labels };
  return Object.defineProperty(image, "labels", property) as T & Pick<ImageRecord, "labels">; // just defined
}

function stored(row: Row): StoredImage {
  return withConfig(row.config, fieldsOf(row));
}

type Config = Pick<ImageRecord, "config" | "configText">;

/** It is parsed when somebody asks for it: a list of images shows nothing of most of them. */
function withConfig<T extends { readonly id: Digest }>(
  text: string | (() => string),
  fields: T,
): T & Config {
  let read = typeof text === "string" ? text : undefined;
  let parsed: ImageConfig | undefined;
  const configText = (): string => (read ??= typeof text === "string" ? text : text());
  const config = (): ImageConfig => (parsed ??= parseImageConfig(configText(), fields.id));
  const getter = { enumerable: true, configurable: true };
  return Object.defineProperties(fields, {
    config: { ...getter, get: config },
    configText: { ...getter, get: configText },
  }) as T & Config; // just defined
}

function fieldsOf(row: Omit<Row, "config">): Omit<StoredImage, "config"> {
  return {
    id: digestFromHex(row.id.slice("sha256:".length)),
    reference: row.reference ?? "",
    digest: (row.digest ?? "") as Digest | "", // written by insertImage from a Digest
    layers: visibleLayers(row.layers === null ? [] : row.layers.split(",")),
  };
}

function visibleLayers(marked: readonly string[]): string[] {
  const opaque = marked.findIndex((chain) => chain.startsWith("!"));
  const visible = opaque < 0 ? marked : marked.slice(0, opaque + 1);
  return visible.map((chain) => chain.replace("!", ""));
}
