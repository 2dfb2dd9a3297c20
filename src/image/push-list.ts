/** A manifest list to a registry: first the images in it, from here or straight from their registries, then the list. */
import { TspodError } from "../errors.ts";
import {
  type Descriptor,
  type Digest,
  digestOf,
  familiarReference,
  formatReference,
  parseManifest,
  parseReference,
  type Reference,
} from "../oci/index.ts";
import {
  bodyPieces,
  type Endpoint,
  endpoints,
  pushBlob,
  type RegistryClient,
} from "../registry/index.ts";
import { recordEvent } from "../store/events.ts";
import type { ListEntry, ManifestList } from "../store/manifest-lists.ts";
import { asAsked, openRegistry, type RegistryAccess } from "./access.ts";
import type { ImageContext } from "./context.ts";
import { formatList, getList } from "./manifest-list.ts";
import { pushImage } from "./push.ts";
import { isForeign } from "./push-manifest.ts";
import { readRegistryRules } from "./settings.ts";
import { findSource, type Source } from "./source.ts";

export interface PushListOptions {
  readonly destination?: string;
  readonly access?: RegistryAccess;
  readonly format?: "oci" | "docker";
  /** Also the images: without them the registry must have them. */
  readonly isAll: boolean;
}

/** The digest of the list there. Throws as a push does. */
export async function pushList(
  context: ImageContext,
  text: string,
  { destination, access = {}, format = "oci", isAll }: PushListOptions,
): Promise<Digest> {
  const list = getList(context, text);
  const reference = parseReference(destination ?? list.name);
  if (reference.digest !== undefined) {
    throw new TspodError("reference.invalid", "A list is pushed to a tag, not to a digest", {
      next: "use NAME or NAME:TAG",
    });
  }
  const origin = endpoints(readRegistryRules(context.environment), reference).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const endpoint = asAsked(origin, access);
  const client = openRegistry(context, access, [`repository:${endpoint.repository}:pull,push`]);
  const what = familiarReference(reference);
  if (isAll) {
    for (const entry of list.entries) {
      await pushEntry(context, entry, { list, reference, client, endpoint, what, access });
    }
  }
  const { text: index, mediaType } = formatList(list, format);
  await client.pushManifest(endpoint, reference.tag ?? "latest", { text: index, mediaType, what });
  const name = formatReference(reference);
  recordEvent(context, { type: "image", status: "push", name });
  return digestOf(index);
}

interface Destination {
  readonly list: ManifestList;
  readonly reference: Reference;
  readonly client: RegistryClient;
  readonly endpoint: Endpoint;
  readonly what: string;
  readonly access: RegistryAccess;
}

async function pushEntry(
  context: ImageContext,
  { source, descriptor }: ListEntry,
  to: Destination,
): Promise<void> {
  if ("registry" in source) return copyImage(context, source.registry, descriptor, to);
  const { reference, access } = to;
  const destination = formatReference(reference);
  const pushed = await pushImage(context, source.image, { destination, access, isUntagged: true });
  if (pushed.digest === descriptor.digest) return;
  throw new TspodError(
    "image.invalid",
    `Cannot push "${to.list.name}": its image ${source.image} is not what was added`,
    { next: "add it again" },
  );
}

/** From registry to registry, through no disk: what is there is not sent, what lies beside it is mounted. */
async function copyImage(
  context: ImageContext,
  from: string,
  { digest, mediaType }: Descriptor,
  { client, endpoint, what, access }: Destination,
): Promise<void> {
  const reference = parseReference(from);
  const source = await findSource(context, reference, familiarReference(reference), access);
  const { text } = source.top;
  const manifest = parseManifest(text, { what: from, contentType: mediaType });
  if (manifest.kind === "index") {
    throw new TspodError("image.invalid", `Cannot push "${from}": it is a list itself`, {
      next: "add its images with tspod manifest add --all",
    });
  }
  const isSameHost = source.endpoint.host === endpoint.host;
  context.report({ kind: "pushing", reference: from });
  for (const blob of [...manifest.layers.filter((layer) => !isForeign(layer)), manifest.config]) {
    await pushBlob(
      client,
      endpoint,
      { digest: blob.digest, sizeBytes: blob.sizeBytes, read: readerOf(context, source, blob) },
      {
        ...{ what, signal: context.signal, onProgress: () => undefined },
        ...(isSameHost ? { mountFrom: source.endpoint.repository } : {}),
      },
    );
  }
  await client.pushManifest(endpoint, digest, { text, mediaType: manifest.mediaType, what });
}

/** The registry that gets them checks the digest. */
function readerOf({ signal }: ImageContext, { client, endpoint }: Source, { digest }: Descriptor) {
  return async function* (start: number, end: number): AsyncGenerator<Uint8Array> {
    const what = `${endpoint.registry}/${endpoint.repository}`;
    const response = await client.openBlob(endpoint, digest, { offset: start, what, signal });
    let skip = response.status === 206 ? 0 : start;
    let rest = end - start;
    for await (const piece of bodyPieces(response, client.transport, {
      what,
      registry: endpoint.registry,
    })) {
      const part = piece.subarray(Math.min(skip, piece.length));
      skip -= piece.length - part.length;
      yield part.subarray(0, rest);
      rest -= Math.min(part.length, rest);
      if (rest === 0) return;
    }
    throw new TspodError("registry.failed", `Cannot copy "${what}": ${digest} was cut short`);
  };
}
