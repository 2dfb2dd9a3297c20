/** Layers as a tree: what an image stands on, what stands on it, and all of that at once. */
import { type ImageContext, type ImageRecord, listImages } from "../../image/index.ts";
import { formatSize } from "../../lib/size.ts";
import { chainIds, digestHex, familiarReference, parseReference } from "../../oci/index.ts";
import { layerSizes } from "../../store/layers.ts";
import { safe } from "./safe.ts";

/** A layer on those below it. */
interface Node {
  chainId: string;
  sizeBytes: number;
  /** Whose topmost it is. */
  images: ImageRecord[];
  above: Map<string, Node>;
}

/** The layers of these images, base first, each under the one it stands on. */
export function imageForest(context: ImageContext, ids: ReadonlySet<string>): string {
  const roots = grow(
    context,
    listImages(context).filter(({ id }) => ids.has(id)),
  );
  return [...roots.values()].map((root) => draw(root, "", "")).join("");
}

/** podman's `image tree`: the image's own layers, or with `isUp` what stands on its topmost. */
export function imageTree(context: ImageContext, image: ImageRecord, isUp: boolean): string {
  const names = namesOf(image);
  const size = formatSize(image.sizeBytes);
  const head = `Image ID: ${shortId(image.id)}\nTags:     [${names}]\nSize:     ${size}\n`;
  return isUp ? `${head}${above(context, image)}` : `${head}Image Layers\n${below(context, image)}`;
}

function below(context: ImageContext, image: ImageRecord): string {
  const all = listImages(context);
  const chains = chainsOf(image);
  const sizes = layerSizes(context.database);
  return chains
    .map((chainId, at) => {
      const images = all.filter((each) => chainsOf(each).at(-1) === chainId);
      const node = { chainId, sizeBytes: sizes.get(chainId) ?? 0, images, above: new Map() };
      return `${at === chains.length - 1 ? "└── " : "├── "}${describe(node)}\n`;
    })
    .join("");
}

function above(context: ImageContext, image: ImageRecord): string {
  const chains = chainsOf(image);
  let level = grow(context, listImages(context));
  let node: Node | undefined;
  for (const chainId of chains) {
    node = level.get(chainId);
    level = node?.above ?? new Map();
  }
  return node === undefined ? "" : draw(node, "", "");
}

function grow(context: ImageContext, images: readonly ImageRecord[]): Map<string, Node> {
  const sizes = layerSizes(context.database);
  const roots = new Map<string, Node>();
  for (const image of images) {
    let level = roots;
    let top: Node | undefined;
    for (const chainId of chainsOf(image)) {
      const sizeBytes = sizes.get(chainId) ?? 0;
      top = level.get(chainId) ?? { chainId, sizeBytes, images: [], above: new Map() };
      level.set(chainId, top);
      level = top.above;
    }
    top?.images.push(image);
  }
  return roots;
}

/** No deeper than an image has layers (oci/manifest.ts). */
function draw(node: Node, first: string, rest: string): string {
  const nodes = [...node.above.values()];
  const lines = nodes.map((each, at) =>
    at === nodes.length - 1
      ? draw(each, `${rest}└── `, `${rest}    `)
      : draw(each, `${rest}├── `, `${rest}│   `),
  );
  return `${first}${describe(node)}\n${lines.join("")}`;
}

function describe({ chainId, sizeBytes, images }: Node): string {
  const names = images.map(namesOf).join(", ");
  const top = images.length === 0 ? "" : ` Top Layer of: [${names}]`;
  return `ID: ${chainId.slice(0, 12)} Size: ${formatSize(sizeBytes)}${top}`;
}

const chainsOf = ({ config }: ImageRecord): string[] => chainIds(config.diffIds).map(digestHex);

const shortId = (id: string): string => id.slice("sha256:".length).slice(0, 12);

function namesOf({ id, names }: ImageRecord): string {
  if (names.length === 0) return shortId(id);
  return names
    .map(({ reference }) => safe(familiarReference(parseReference(reference))))
    .join(", ");
}
