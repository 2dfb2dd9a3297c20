/** Manifest lists (image-spec image-index.md): made of images here and in registries, changed, shown. push-list.ts sends them. */
import { TspodError } from "../errors.ts";
import {
  type Descriptor,
  type Digest,
  familiarReference,
  formatReference,
  mediaTypes,
  normalise,
  parseImageConfig,
  parseManifest,
  type Platform,
  parseReference,
  repositoryName,
} from "../oci/index.ts";
import { listImageRecords } from "../store/images.ts";
import {
  changeManifestList,
  deleteManifestList,
  findManifestList,
  type ListEntry,
  type ManifestList,
} from "../store/manifest-lists.ts";
import type { RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { findImage } from "./find.ts";
import { localName } from "./make-image.ts";
import { referencesOf, requireAllowed } from "./settings.ts";
import { findSource, type Source } from "./source.ts";

/** What is said of an entry on the command line; absent: what the image says. */
export interface EntryChanges {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
  readonly features?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Throws image.invalid when there is one already and `isAmended` is false. */
export function createList(
  context: ImageContext,
  text: string,
  options: { isAmended: boolean; annotations: Readonly<Record<string, string>> },
): ManifestList {
  const name = localName(text);
  return changeManifestList(context, name, (list) => {
    if (list !== undefined && !options.isAmended) {
      throw new TspodError("image.invalid", `There is a manifest list "${name}" already`, {
        next: "use --amend to add to it, or tspod manifest rm",
      });
    }
    const annotations = { ...list?.annotations, ...options.annotations };
    return { name, entries: list?.entries ?? [], annotations };
  });
}

/** Throws image.not_found. */
export function annotateList(
  context: ImageContext,
  text: string,
  annotations: Readonly<Record<string, string>>,
): void {
  const { name } = getList(context, text);
  createList(context, name, { isAmended: true, annotations });
}

/** Throws image.not_found. */
export function getList({ paths }: ImageContext, text: string): ManifestList {
  const name = localName(text);
  const list = findManifestList(paths, name);
  if (list !== undefined) return list;
  throw new TspodError("image.not_found", `There is no manifest list "${name}"`, {
    next: `tspod manifest create ${text}`,
  });
}

export function removeList({ paths }: ImageContext, text: string): void {
  const name = localName(text);
  if (deleteManifestList(paths, name)) return;
  throw new TspodError("image.not_found", `There is no manifest list "${name}"`, {
    next: "check the name; images are removed with tspod rmi",
  });
}

/**
 * Add an image: of this store when it has that name, else of its registry (nothing but its manifest is fetched). One that
 * is in the list is replaced. `isAll`: every one of an index.
 */
export async function addToList(
  context: ImageContext,
  text: string,
  image: string,
  options: { changes: EntryChanges; isAll: boolean; access: RegistryAccess },
): Promise<Digest[]> {
  const { name } = getList(context, text);
  const found = await entriesOf(context, image, options);
  const entries = found.map((entry) => changeEntry(entry, options.changes));
  const added = entries.map(({ descriptor }) => descriptor.digest);
  changeManifestList(context, name, (list) => {
    const others = (list?.entries ?? []).filter(
      (entry) => !added.includes(entry.descriptor.digest),
    );
    return { name, annotations: list?.annotations ?? {}, entries: [...others, ...entries] };
  });
  return added;
}

/** Throws image.not_found when it is not in the list. `change` gives null to take it out. */
export function changeInList(
  context: ImageContext,
  text: string,
  image: string,
  change: (entry: ListEntry) => ListEntry | null,
): void {
  const { name } = getList(context, text);
  changeManifestList(context, name, (list) => {
    const entries = list?.entries ?? [];
    const wanted = entries.filter((entry) => isNamed(context, entry, image));
    if (wanted.length === 0) {
      throw new TspodError(
        "image.not_found",
        `There is no "${image}" in the manifest list "${name}"`,
        {
          next: `tspod manifest inspect ${text}`,
        },
      );
    }
    const changed = entries.flatMap((entry) =>
      wanted.includes(entry) ? (change(entry) ?? []) : [entry],
    );
    return { name, annotations: list?.annotations ?? {}, entries: changed };
  });
}

export function changeEntry(entry: ListEntry, changes: EntryChanges): ListEntry {
  const { descriptor } = entry;
  const { platform = normalise("linux", "") } = descriptor;
  const annotations = { ...descriptor.annotations, ...changes.annotations };
  const os = changes.os ?? platform.os;
  const architecture = changes.architecture ?? platform.architecture;
  const { osVersion, osFeatures, features } = changes;
  return {
    ...entry,
    descriptor: {
      ...descriptor,
      platform: normalise(os, architecture, changes.variant ?? platform.variant),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    ...(osVersion === undefined ? {} : { osVersion }),
    ...(osFeatures === undefined || osFeatures.length === 0 ? {} : { osFeatures }),
    ...(features === undefined || features.length === 0 ? {} : { features }),
  };
}

function isNamed(context: ImageContext, { descriptor, source }: ListEntry, text: string): boolean {
  if (descriptor.digest === text) return true;
  if ("image" in source) return findImage(context, text)?.id === source.image;
  return (
    text.includes("/") &&
    source.registry === `${repositoryName(parseReference(text))}@${descriptor.digest}`
  );
}

async function entriesOf(
  context: ImageContext,
  image: string,
  options: { isAll: boolean; access: RegistryAccess },
): Promise<ListEntry[]> {
  const isRemote = image.startsWith("docker://");
  const name = image.replace(/^docker:\/\//, "");
  const local = isRemote || options.isAll ? undefined : findImage(context, name);
  if (local !== undefined) return [localEntry(context, local.id, name)];
  const [reference] = referencesOf(context.environment, name);
  if (reference === undefined) throw new RangeError("no reference"); // there is always one
  requireAllowed(context.environment, reference);
  const what = familiarReference(reference);
  const source = await findSource(context, reference, what, options.access);
  const repository = repositoryName(reference);
  return remoteEntries(context, source, { what, repository, isAll: options.isAll });
}

function localEntry({ database }: ImageContext, id: Digest, what: string): ListEntry {
  const [record] = listImageRecords(database, id);
  if (record === undefined) throw new TspodError("image.not_found", `Cannot find image "${what}"`);
  const { mediaType } = parseManifest(record.manifest, { what });
  const { platform } = record.config;
  const sizeBytes = Buffer.byteLength(record.manifest);
  return {
    descriptor: { mediaType, digest: record.manifestDigest, sizeBytes, platform },
    source: { image: id },
  };
}

async function remoteEntries(
  context: ImageContext,
  source: Source,
  { what, repository, isAll }: { what: string; repository: string; isAll: boolean },
): Promise<ListEntry[]> {
  const { top } = source;
  const named = (descriptor: Descriptor): ListEntry => ({
    descriptor,
    source: { registry: `${repository}@${descriptor.digest}` },
  });
  const parsed = parseManifest(top.text, { what, contentType: top.contentType });
  if (parsed.kind === "index") {
    if (isAll) return parsed.manifests.map(named);
    const { selectManifest, hostPlatform } = await import("../oci/index.ts");
    return [named(selectManifest(parsed, hostPlatform(), what))];
  }
  const platform = await platformOf(context, source, parsed.config, what);
  const sizeBytes = Buffer.byteLength(top.text);
  return [named({ mediaType: parsed.mediaType, digest: top.digest, sizeBytes, platform })];
}

const configSizeBytesMax = 8 * 1024 * 1024;

/** A lone manifest says only in its config what it is for. */
async function platformOf(
  { signal }: ImageContext,
  { client, endpoint }: Source,
  { digest, sizeBytes }: Descriptor,
  what: string,
): Promise<Platform> {
  if (sizeBytes > configSizeBytesMax) {
    throw new TspodError(
      "registry.too_large",
      `Cannot use "${what}": its config has ${sizeBytes} bytes`,
    );
  }
  const { fetchText } = await import("./fetch-text.ts");
  const text = await fetchText(client, endpoint, { digest, sizeBytes, what, signal });
  return parseImageConfig(text, what).platform;
}

/** The list as an OCI index, or as docker's manifest list. */
export function formatList(
  { entries, annotations }: ManifestList,
  format: "oci" | "docker" = "oci",
): { text: string; mediaType: string } {
  const mediaType = format === "docker" ? mediaTypes.dockerIndex : mediaTypes.index;
  const isOci = format === "oci";
  const manifests = entries.map(({ descriptor, osVersion, osFeatures, features }) => ({
    mediaType: descriptor.mediaType,
    digest: descriptor.digest,
    size: descriptor.sizeBytes,
    platform: {
      architecture: descriptor.platform?.architecture ?? "",
      os: descriptor.platform?.os ?? "linux",
      ...(osVersion === undefined ? {} : { "os.version": osVersion }),
      ...(osFeatures === undefined ? {} : { "os.features": osFeatures }),
      ...(descriptor.platform?.variant === undefined
        ? {}
        : { variant: descriptor.platform.variant }),
      ...(features === undefined ? {} : { features }),
    },
    ...(isOci && descriptor.annotations !== undefined
      ? { annotations: descriptor.annotations }
      : {}),
  }));
  const notes = isOci && Object.keys(annotations).length > 0 ? { annotations } : {};
  return { text: JSON.stringify({ schemaVersion: 2, mediaType, manifests, ...notes }), mediaType };
}

/** A list that is here, or what a registry has of that name. */
export async function inspectList(
  context: ImageContext,
  text: string,
  access: RegistryAccess = {},
): Promise<string> {
  const name = text.replace(/^docker:\/\//, "");
  const here = name === text ? findManifestList(context.paths, localName(name)) : undefined;
  if (here !== undefined) return formatList(here).text;
  const [reference] = referencesOf(context.environment, name);
  if (reference === undefined) throw new RangeError("no reference"); // there is always one
  return (await findSource(context, reference, formatReference(reference), access)).top.text;
}
