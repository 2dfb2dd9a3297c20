/** An artifact of a registry -> the store, and the reverse. */
import { TspodError } from "../../errors.ts";
import {
  blobsOfArtifact,
  type Descriptor,
  type Digest,
  familiarReference,
  formatReference,
  mediaTypes,
  parseArtifact,
  parseReference,
  type Reference,
} from "../../oci/index.ts";
import { endpoints, pushBlob } from "../../registry/index.ts";
import { blobPath, explainWrite } from "../../store/content.ts";
import { transact } from "../../store/database.ts";
import type { Orphans } from "../../store/image-writes.ts";
import { recordEvent } from "../../store/events.ts";
import { keepLease } from "../../store/leases.ts";
import { asAsked, openRegistry, type RegistryAccess } from "../access.ts";
import { ensureBlob, keepBytes } from "../blob.ts";
import { type ImageContext, withSignal } from "../context.ts";
import { prepareStore } from "../prepare.ts";
import { readerOf } from "../push.ts";
import { readRegistryRules, requireAllowed } from "../settings.ts";
import { findSource } from "../source.ts";
import { getArtifact } from "./find.ts";
import { removeFiles } from "../remove.ts";
import { replaceArtifact } from "./replace.ts";

/** Files on their way at once. */
const parallelMax = 4;

/** Idempotent, and safe to kill anywhere. Throws image.not_found, image.invalid, registry.*, store.*. */
export async function pullArtifact(
  context: ImageContext,
  text: string,
  access: RegistryAccess,
): Promise<Digest> {
  const reference = parseReference(text);
  const what = familiarReference(reference);
  requireAllowed(context.environment, reference);
  using kept = new DisposableStack();
  try {
    prepareStore(context);
    context.report({ kind: "resolving", reference: formatReference(reference) });
    const source = await findSource(context, reference, what, access);
    const { text: manifest, digest } = source.top;
    const blobs = blobsOfArtifact(parseArtifact(manifest, `"${what}"`));
    kept.use(await keepBytes(context, manifest));
    await eachBlob(context, blobs, async (own, descriptor) => {
      const { digest: name } = descriptor;
      const onProgress = (bytes: number): void =>
        context.report({ kind: "downloaded", digest: name, bytes });
      context.report({ kind: "phase", digest: name, phase: "downloading" });
      kept.use(await ensureBlob(own, source, { descriptor, what, onProgress }));
    });
    const record = {
      ...{ name: formatReference(reference), digest, manifest },
      addedAt: new Date().toISOString(),
    };
    const needed = blobs.map((blob) => blob.digest);
    const work = (): Orphans => replaceArtifact(context.database, record, needed);
    const unneeded = transact(context.database, work, { durable: true });
    recordEvent(context, { type: "artifact", status: "pull", id: digest, name: record.name });
    removeFiles(context, unneeded);
    return digest;
  } catch (error) {
    throw explainWrite(error, context.paths);
  } finally {
    context.report({ kind: "end" });
  }
}

export interface PushedArtifact {
  readonly reference: Reference;
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Idempotent. Throws image.not_found, reference.invalid, registry.*, store.corrupt. */
export async function pushArtifact(
  context: ImageContext,
  text: string,
  { destination, access }: { destination: string | undefined; access: RegistryAccess },
): Promise<PushedArtifact> {
  using kept = new DisposableStack();
  const { name, digest, manifest, artifact } = keepArtifact(context, text, kept);
  const reference = parseReference(destination ?? name);
  if (reference.digest !== undefined) {
    throw new TspodError("reference.invalid", `Cannot push to "${destination}": it has a digest`, {
      next: "use NAME or NAME:TAG",
    });
  }
  const origin = endpoints(readRegistryRules(context.environment), reference).at(-1);
  if (origin === undefined) throw new RangeError("no endpoint"); // the origin is always one
  const endpoint = asAsked(origin, access);
  const client = openRegistry(context, access, [`repository:${endpoint.repository}:pull,push`]);
  const what = familiarReference(reference);
  try {
    context.report({ kind: "pushing", reference: formatReference(reference) });
    await eachBlob(context, blobsOfArtifact(artifact), async (own, { digest: blob, sizeBytes }) => {
      const read = readerOf(blobPath(context.paths, blob));
      const onProgress = (bytes: number): void =>
        context.report({ kind: "downloaded", digest: blob, bytes });
      context.report({ kind: "phase", digest: blob, phase: "uploading" });
      await pushBlob(
        client,
        endpoint,
        { digest: blob, sizeBytes, read },
        { what, signal: own.signal, onProgress },
      );
    });
    const mediaType = mediaTypes.manifest;
    await client.pushManifest(endpoint, reference.tag ?? "latest", {
      text: manifest,
      mediaType,
      what,
    });
    const pushed = formatReference(reference);
    recordEvent(context, { type: "artifact", status: "push", id: digest, name: pushed });
    return { reference, digest, sizeBytes: Buffer.byteLength(manifest) };
  } finally {
    context.report({ kind: "end" });
  }
}

/** Its files stay until `kept` ends. */
export function keepArtifact(context: ImageContext, text: string, kept: DisposableStack) {
  const { database } = context;
  const work = () => {
    const found = getArtifact(context, text);
    for (const { digest } of blobsOfArtifact(found.artifact)) {
      kept.use(keepLease(database, `keep:blob:${digest.replace("sha256:", "")}`));
    }
    return found;
  };
  return transact(database, work, { durable: false });
}

/** Some at a time; the first failure stops the others. */
async function eachBlob(
  outer: ImageContext,
  blobs: readonly Descriptor[],
  work: (context: ImageContext, blob: Descriptor) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const context = withSignal(outer, AbortSignal.any([outer.signal, failure.signal]));
  const layers = blobs.map(({ digest, sizeBytes }) => ({ digest, sizeBytes, isPresent: false }));
  outer.report({ kind: "layers", layers });
  const queue = [...blobs];
  const worker = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      await work(context, blob);
      outer.report({ kind: "phase", digest: blob.digest, phase: "done" });
    }
  };
  const workers = Array.from({ length: parallelMax }, () =>
    worker().catch((error: unknown) => failure.abort(error)),
  );
  await Promise.all(workers);
  if (failure.signal.aborted) throw failure.signal.reason;
}
