/** How an image came to be: its history and its layers, side by side. */
import { chainIds, digestHex } from "../oci/index.ts";
import type { ImageRecord } from "../store/images.ts";
import { layerSizes } from "../store/layers.ts";
import type { ImageContext } from "./context.ts";

export interface HistoryStep {
  /** RFC 3339, or "" when the image does not say. */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly sizeBytes: number;
  /** Chain id in hex; absent for a step that has changed no file. */
  readonly chainId?: string;
}

/** The newest first. Layers that the history does not mention come with no words. */
export function imageHistory({ database }: Pick<ImageContext, "database">, image: ImageRecord) {
  const { history, diffIds } = image.config;
  const chains = chainIds(diffIds).map(digestHex);
  const sizes = layerSizes(database);
  const layer = (): Pick<HistoryStep, "chainId" | "sizeBytes"> => {
    const chainId = chains.shift();
    return chainId === undefined
      ? { sizeBytes: 0 }
      : { chainId, sizeBytes: sizes.get(chainId) ?? 0 };
  };
  const steps: HistoryStep[] = history.map(({ created, createdBy, comment, emptyLayer }) => ({
    ...{ created, createdBy, comment },
    ...(emptyLayer ? { sizeBytes: 0 } : layer()),
  }));
  while (chains.length > 0) steps.push({ created: "", createdBy: "", comment: "", ...layer() });
  return steps.reverse();
}
