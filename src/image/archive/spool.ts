/**
 * What an archive holds, kept until it is known which of it is an image, for what says so may come last: small texts in
 * memory, blobs under their digests beside the store's, layers unpacked already. Nothing of it is in the store before it
 * is asked for, and what was not is gone at the end.
 */
import { TspodError } from "../../errors.ts";
import { type Digest, digestFromHex, digestHex, manifestSizeBytesMax } from "../../oci/index.ts";
import { NewBlob } from "../../store/content.ts";
import type { Lease } from "../../store/leases.ts";
import type { ImageContext } from "../context.ts";
import { publishBlob, type StagedLayer, stageLayerOf } from "../make-layer.ts";
import type { ArchiveEntry } from "./read-tar.ts";

/** A layer of docker's older archives: unpacked, or what is wrong with it when somebody asks. */
type SpooledLayer = StagedLayer | { readonly failure: TspodError };

/** All texts together: a thousand images have some ten megabytes. */
const textBytesMax = 64 * 1024 * 1024;
/** Each is a file until the end. */
const blobCountMax = 10_000;

export class Spool implements AsyncDisposable {
  readonly #context: ImageContext;
  readonly #what: string;
  readonly #texts = new Map<string, string>();
  readonly #blobs = new Map<Digest, NewBlob>();
  readonly #layers = new Map<string, SpooledLayer>();
  readonly #links = new Map<string, string>();
  readonly #refused = new Map<string, string>();
  readonly #resources = new AsyncDisposableStack();
  #textBytes = 0;

  /** `what` names the archive in errors. */
  constructor(context: ImageContext, what: string) {
    this.#context = context;
    this.#what = what;
  }

  /** Take an entry in. Errors: image.invalid, store.full, whatever its bytes throw. */
  async add(entry: ArchiveEntry): Promise<void> {
    const { name, kind } = entry;
    if (kind === "directory") return;
    if (this.has(name)) throw this.invalid(`"${name}" is in it twice`);
    if (kind === "link") this.#links.set(name, targetOf(entry));
    if (kind === "other") this.#refused.set(name, "it is neither a file nor a link");
    if (kind !== "file") return;
    const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})$/.exec(name)?.[1];
    if (hex !== undefined) return this.#addBlob(entry, digestFromHex(hex));
    const [first, chunks] = await peek(entry);
    const isText = first === "{" || first === "[";
    if (isText && entry.sizeBytes <= manifestSizeBytesMax) return this.#addText(entry, chunks);
    if (/(?:^|\/)(?:VERSION|version|oci-layout)$/.test(name) || entry.sizeBytes === 0) return;
    await this.#addLayer(entry, chunks);
  }

  has(name: string): boolean {
    const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})$/.exec(name)?.[1];
    return (
      [this.#texts, this.#layers, this.#links, this.#refused].some((map) => map.has(name)) ||
      (hex !== undefined && this.#blobs.has(digestFromHex(hex)))
    );
  }

  /** The text of an entry, undefined when there is none of that name. */
  findText(name: string): string | undefined {
    return this.#texts.get(name);
  }

  /** A text that the archive does not have, but means. */
  remember(name: string, text: string): void {
    this.#texts.set(name, text);
  }

  /** A text by name, or a blob that is one. Errors: image.invalid. */
  async text(name: string): Promise<string> {
    const found = this.#texts.get(this.#follow(name));
    if (found !== undefined) return found;
    const digest = blobName(this.#follow(name));
    if (digest !== undefined && this.#blobs.has(digest)) return this.blobText(digest);
    throw this.#missing(name);
  }

  async blobText(digest: Digest): Promise<string> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw this.#missing(`blobs/sha256/${digestHex(digest)}`);
    if (blob.sizeBytes > manifestSizeBytesMax) {
      throw this.invalid(`its blob ${digest} is too large for what it is said to be`);
    }
    return blob.text();
  }

  /** What begins a blob tells what compresses it. */
  async blobHead(digest: Digest): Promise<Uint8Array> {
    return (await this.#blobs.get(digest)?.head()) ?? new Uint8Array();
  }

  /** A layer by the name it has in manifest.json: a blob or unpacked already. Errors: image.invalid, layer.invalid. */
  layer(name: string): StagedLayer | { digest: Digest; sizeBytes: number } {
    const real = this.#follow(name);
    const digest = blobName(real);
    const blob = digest === undefined ? undefined : this.#blobs.get(digest);
    if (digest !== undefined && blob !== undefined) return { digest, sizeBytes: blob.sizeBytes };
    const layer = this.#layers.get(real);
    if (layer === undefined) throw this.#missing(name);
    if (!("failure" in layer)) return layer;
    const why = layer.failure.message.replace(/^Cannot unpack the layer(?:: | at )/, "");
    throw this.invalid(`"${name}" is no layer: ${why}`);
  }

  /** Into the store, and kept there until the lease ends. Errors: image.invalid when it is not here, or of another size. */
  async publish(digest: Digest, sizeBytes?: number): Promise<Lease> {
    const blob = this.#blobs.get(digest);
    if (blob === undefined) throw this.#missing(`blobs/sha256/${digestHex(digest)}`);
    if (sizeBytes !== undefined && blob.sizeBytes !== sizeBytes) {
      throw this.invalid(`its blob ${digest} has ${blob.sizeBytes} bytes instead of ${sizeBytes}`);
    }
    return publishBlob(this.#context, blob);
  }

  invalid(why: string, next?: string): TspodError {
    const options = next === undefined ? {} : { next };
    return new TspodError("image.invalid", `Cannot load ${this.#what}: ${why}`, options);
  }

  async #addText(
    { name, sizeBytes }: ArchiveEntry,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    this.#textBytes += sizeBytes;
    if (this.#textBytes > textBytesMax) throw this.invalid("it has too many descriptions");
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(Buffer.from(chunk));
    this.#texts.set(name, Buffer.concat(parts).toString("utf8"));
  }

  async #addBlob(entry: ArchiveEntry, digest: Digest): Promise<void> {
    if (this.#blobs.size >= blobCountMax) throw this.invalid("it has too many blobs");
    const blob = this.#resources.use(new NewBlob(this.#context.paths));
    for await (const chunk of entry.chunks()) {
      this.#context.signal.throwIfAborted();
      blob.write(chunk);
    }
    if (blob.digest() !== digest) {
      throw this.invalid(`"${entry.name}" is damaged: its content is ${blob.digest()}`);
    }
    blob.finish();
    this.#blobs.set(digest, blob);
  }

  async #addLayer({ name }: ArchiveEntry, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const what = `"${name}" of ${this.#what}`;
    try {
      const staged = await stageLayerOf(this.#context, { bytes, what });
      this.#layers.set(name, this.#resources.use(staged));
    } catch (failure) {
      // whether it is a layer at all is only known at the end
      if (!(failure instanceof TspodError && failure.code === "layer.invalid")) throw failure;
      this.#layers.set(name, { failure });
    }
  }

  /** Through one link, as the field's readers do: docker saves a layer that it has twice as a link to the other. */
  #follow(name: string): string {
    return this.#links.get(name) ?? name;
  }

  #missing(name: string): TspodError {
    const real = this.#follow(name);
    const why = this.#refused.get(real) ?? (this.#links.has(real) ? "it is a link to a link" : "");
    return this.invalid(why === "" ? `"${name}" is not in it` : `cannot use "${name}": ${why}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function blobName(name: string): Digest | undefined {
  const hex = /^(?:blobs\/sha256\/)?([0-9a-f]{64})$/.exec(name)?.[1];
  return hex === undefined ? undefined : digestFromHex(hex);
}

/** The entry a link names: "a/layer.tar" -> "../b/layer.tar" is "b/layer.tar". Above the archive there is nothing. */
function targetOf({ name, linkName, isSymbolic }: ArchiveEntry): string {
  const base = isSymbolic && !linkName.startsWith("/") ? name.split("/").slice(0, -1) : [];
  const parts: string[] = [];
  for (const part of [...base, ...linkName.split("/")]) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** The first character that is no blank, and the bytes with it. */
async function peek(entry: ArchiveEntry): Promise<[string, AsyncIterable<Uint8Array>]> {
  const iterator = entry.chunks()[Symbol.asyncIterator]();
  const first = await iterator.next();
  const whole = async function* (): AsyncIterable<Uint8Array> {
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  const text =
    first.done === true ? "" : Buffer.from(first.value.subarray(0, 64)).toString("latin1");
  return [text.trimStart().slice(0, 1), whole()];
}
