/** A small blob of a registry as text, checked; it does not become part of the store. */
import type { Digest } from "../oci/index.ts";
import { type Endpoint, fetchBlob, type RegistryClient } from "../registry/index.ts";

export interface WantedText {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly what: string;
  readonly signal: AbortSignal;
}

export async function fetchText(
  client: RegistryClient,
  endpoint: Endpoint,
  { digest, sizeBytes, what, signal }: WantedText,
): Promise<string> {
  let pieces: Uint8Array[] = [];
  const sink = {
    sizeBytes: 0,
    write(piece: Uint8Array) {
      pieces.push(piece);
      sink.sizeBytes += piece.length;
    },
    restart() {
      pieces = [];
      sink.sizeBytes = 0;
    },
    digest() {
      const hash = new Bun.CryptoHasher("sha256");
      for (const piece of pieces) hash.update(piece);
      return `sha256:${hash.digest("hex")}` as Digest; // a sha256 in hex by construction
    },
  };
  await fetchBlob(client, endpoint, { mediaType: "", digest, sizeBytes }, sink, { what, signal });
  return Buffer.concat(pieces).toString("utf8");
}
