/** Content digests (image-spec 1.1, descriptor.md "Digests"). Only sha256: nothing in the field publishes another. */
import { TspodError } from "../errors.ts";

/** "sha256:" and 64 lower-case hexadecimal digits. Made only by `parseDigest` and the functions beside it. */
export type Digest = string & { readonly [digestBrand]: true };
declare const digestBrand: unique symbol;

const sha256Pattern = /^sha256:[0-9a-f]{64}$/;

/** Throws digest.invalid. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const shown = JSON.stringify(text.slice(0, 100));
  if (/^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-zA-Z=_-]+$/.test(text) && !text.startsWith("sha256:")) {
    throw new TspodError("digest.invalid", `Cannot use digest ${shown}: only sha256 is supported`);
  }
  throw new TspodError(
    "digest.invalid",
    `Cannot use digest ${shown}: not "sha256:" and 64 hex digits`,
  );
}

export function isDigest(text: string): text is Digest {
  return sha256Pattern.test(text);
}

/** The part a file in `blobs/sha256/` is called by. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** From 64 hexadecimal digits, as they stand in a file name or in the database. Throws digest.invalid. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

export function digestOf(bytes: string | Uint8Array): Digest {
  return digestFromHex(new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
}

/** Twelve digits, as every tool shows it. */
export function shortDigest(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/**
 * Chain ids, base first (image-spec config.md "Layer ChainID"): what identifies a layer together with all below it.
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}
