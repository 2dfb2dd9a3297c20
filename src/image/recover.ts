/** What killed pulls and removals left behind. */
import type { ImageContext } from "./context.ts";

/** Bounded and idempotent; safe beside running pulls. */
export async function recoverContent(context: ImageContext): Promise<void> {
  void context;
}
