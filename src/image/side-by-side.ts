/** Work on layers, a few at a time: the first failure stops the others, and all have ended when it is told. */
import { type ImageContext, withSignal } from "./context.ts";

/** Layers in work at once: enough to keep a network and a few cores busy, few enough for a registry's patience. */
const parallelMax = 4;

/** `work` gives up when its context's signal says so, and may call `failure.abort` before it throws. */
export async function sideBySide<T>(
  outer: ImageContext,
  items: readonly T[],
  work: (context: ImageContext, item: T, failure: AbortController) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const context = withSignal(outer, AbortSignal.any([outer.signal, failure.signal]));
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift())
      await work(context, item, failure);
  };
  const workers = Array.from({ length: Math.min(parallelMax, items.length) }, () =>
    worker().catch((error: unknown) => {
      failure.abort(error);
      throw error;
    }),
  );
  const results = await Promise.allSettled(workers);
  outer.signal.throwIfAborted();
  if (failure.signal.aborted) throw failure.signal.reason;
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}
