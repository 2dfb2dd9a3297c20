/** A pull's or a push's events -> lines of JSON. Pure: the clock is given. */
import type { PullEvent } from "../../image/index.ts";
import { type LayerStatus, overPhases, type PullProgress, statusOf } from "./progress-model.ts";

/** Downloaded bytes of one layer are told so often at most. */
const jsonIntervalMs = 500;

/** When something was last said of a layer, and what. */
export type Told = Map<string, { atMs: number; status: string }>;

/** What JSON lines call it. */
const jsonStatuses = {
  ...{ queued: "queued", waiting: "waiting", downloading: "downloading", verifying: "verifying" },
  ...{ unpacking: "extracting", done: "done", present: "present", compressing: "compressing" },
  ...{ uploading: "uploading", there: "present", mounted: "mounted" },
} satisfies Record<LayerStatus, string>;

/**
 * The same for programs, after `advance`: one object a line. `status` is always there; "pulling", "pushing" and
 * "remapping" have `reference`, "retrying" has `message`, and every other is about the layer `id` (its digest), of which
 * `current` bytes of `total` are here (of a push: there).
 */
export function jsonLines(
  progress: PullProgress,
  event: PullEvent,
  told: Told,
  nowMs: number,
): string[] {
  if (event.kind === "end") return [];
  if (event.kind === "retry")
    return [JSON.stringify({ status: "retrying", message: event.message })];
  if (event.kind === "layers") {
    return event.layers.flatMap(({ digest }) => jsonLine(progress, digest, told, nowMs));
  }
  if (event.kind === "phase" || event.kind === "downloaded") {
    return jsonLine(progress, event.digest, told, nowMs);
  }
  const status = event.kind === "resolving" ? "pulling" : event.kind;
  return [JSON.stringify({ status, reference: event.reference })];
}

function jsonLine({ layers }: PullProgress, digest: string, told: Told, nowMs: number): string[] {
  const layer = layers.get(digest);
  if (layer === undefined) return [];
  const status = jsonStatuses[statusOf(layer)];
  const before = told.get(digest);
  if (before?.status === status && nowMs - before.atMs < jsonIntervalMs) return [];
  if (before?.status === status && overPhases.has(layer.phase)) return [];
  told.set(digest, { atMs: nowMs, status });
  const isWhole = overPhases.has(layer.phase);
  const current = isWhole ? layer.sizeBytes : layer.bytes;
  return [JSON.stringify({ id: digest, status, current, total: layer.sizeBytes })];
}
