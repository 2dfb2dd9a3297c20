/** The image that is carried inside the file: stored as a pulled one is, so that nothing else knows the difference. */
import { pack } from "tar-stream";
import {
  chainIds,
  type Descriptor,
  type Digest,
  digestHex,
  digestOf,
  hostPlatform,
  mediaTypes,
  parseImageConfig,
} from "../oci/index.ts";
import { insertImage } from "../store/image-writes.ts";
import { findImageByName, type StoredImage } from "../store/images.ts";
import { keepBytes } from "./blob.ts";
import { type ImageContext, withSignal } from "./context.ts";
import { builtinName, getImage } from "./find.ts";
import { ensureLayers } from "./layers.ts";
import { prepareStore } from "./prepare.ts";

/**
 * Store an image "localhost/hello:latest" whose only file is `program`, a static executable. Idempotent: the same
 * program makes the same image; another one (a newer tspod) takes the name over.
 */
export async function ensureBuiltin(
  context: ImageContext,
  program: Uint8Array,
): Promise<StoredImage> {
  const layer = await tarOf(program);
  const diffId = digestOf(layer);
  const configText = JSON.stringify({
    ...hostPlatform(),
    config: { Entrypoint: ["/hello"], Env: ["PATH=/"], WorkingDir: "/" },
    rootfs: { type: "layers", diff_ids: [diffId] },
  });
  const id = digestOf(configText);
  const present = findImageByName(context.database, [builtinName]);
  if (present?.id === id) return present;
  const descriptor = describe(mediaTypes.layer, diffId, layer.length);
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: wire(describe(mediaTypes.config, id, configText.length)),
    layers: [wire(descriptor)],
  });
  prepareStore(context);
  using kept = new DisposableStack();
  for (const bytes of [layer, configText, manifest]) kept.use(await keepBytes(context, bytes));
  const chainId = digestHex(chainIds([diffId])[0] ?? diffId);
  // carried, not pulled: there is no progress to show
  const quiet = { ...withSignal(context, context.signal), report: () => {} };
  await ensureLayers(quiet, null, [{ chainId, diffId, descriptor }], kept, builtinName);
  insertImage(context.database, {
    ...{ id, manifest, configText },
    manifestDigest: digestOf(manifest),
    config: parseImageConfig(configText, builtinName),
    layers: [{ chainId, blobDigest: diffId }],
    name: { reference: builtinName, digest: "" },
    pulledAt: new Date().toISOString(),
  });
  return getImage(context, builtinName);
}

function describe(mediaType: string, digest: Digest, sizeBytes: number): Descriptor {
  return { mediaType, digest, sizeBytes };
}

/** As the specification spells it. */
function wire({ mediaType, digest, sizeBytes }: Descriptor): object {
  return { mediaType, digest, size: sizeBytes };
}

async function tarOf(program: Uint8Array): Promise<Uint8Array> {
  const tar = pack();
  tar.entry({ name: "hello", mode: 0o755, mtime: new Date(0) }, Buffer.from(program));
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) chunks.push(chunk as Uint8Array); // a readable stream of buffers
  return Buffer.concat(chunks);
}
