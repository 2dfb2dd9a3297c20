/** A pull's events -> lines of text. Pure: the clock and the terminal's size are given. */
import type { LayerPhase, PullEvent } from "../../image/index.ts";
import { formatSize } from "../../lib/size.ts";

export interface LayerProgress {
  /** Twelve digits of its digest. */
  readonly name: string;
  readonly sizeBytes: number;
  bytes: number;
  phase: LayerPhase | "queued" | "present";
  /** For the speed: what was there at which moment, the oldest first, over the last seconds. */
  samples: { atMs: number; bytes: number }[];
}

export interface PullProgress {
  layers: Map<string, LayerProgress>;
}

const nameLength = 12;
/** The speed is that of so long ago until now. */
const speedWindowMs = 3_000;
const sampleIntervalMs = 100;

export function emptyProgress(): PullProgress {
  return { layers: new Map() };
}

/** Take in one event. */
export function advance(progress: PullProgress, event: PullEvent, nowMs: number): void {
  if (event.kind === "layers") {
    for (const { digest, sizeBytes, isPresent } of event.layers) {
      const phase = isPresent ? "present" : "queued";
      const name = digest.replace(/^sha256:/, "").slice(0, nameLength);
      progress.layers.set(digest, { name, sizeBytes, bytes: 0, phase, samples: [] });
    }
  }
  const layer = "digest" in event ? progress.layers.get(event.digest) : undefined;
  if (layer === undefined) return;
  if (event.kind === "phase" && layer.phase !== "present") layer.phase = event.phase;
  if (event.kind === "downloaded") addSample(layer, event.bytes, nowMs);
}

function addSample(layer: LayerProgress, bytes: number, atMs: number): void {
  // a restart: what was measured before says nothing any more
  if (bytes < layer.bytes) layer.samples = [];
  layer.bytes = bytes;
  const last = layer.samples.at(-1);
  if (last !== undefined && atMs - last.atMs < sampleIntervalMs) return;
  layer.samples = layer.samples.filter((sample) => atMs - sample.atMs <= speedWindowMs);
  layer.samples.push({ atMs, bytes });
}

/** Bytes a second, 0 when nothing is known. */
export function speed({ samples, bytes }: LayerProgress, nowMs: number): number {
  const [first] = samples;
  const elapsedMs = first === undefined ? 0 : nowMs - first.atMs;
  return first === undefined || elapsedMs < sampleIntervalMs
    ? 0
    : ((bytes - first.bytes) * 1000) / elapsedMs;
}

/** What a layer is at, to somebody who looks: all that was to come is here, but not yet known to be right. */
export type LayerStatus = LayerProgress["phase"] | "verifying";

export function statusOf({ phase, bytes, sizeBytes }: LayerProgress): LayerStatus {
  return phase === "downloading" && bytes >= sizeBytes && bytes > 0 ? "verifying" : phase;
}

const words = {
  ...{ queued: "waiting its turn", waiting: "another tspod is fetching it" },
  ...{ downloading: "", verifying: "verifying", unpacking: "extracting", done: "done" },
  ...{ present: "already here", compressing: "compressing", uploading: "" },
  ...{ there: "already there", mounted: "there, in another repository" },
} satisfies Record<LayerStatus, string>;

/** Phases in which no bytes move. */
const wordsOnly: ReadonlySet<LayerStatus> = new Set([
  ...(["present", "queued", "waiting", "compressing", "there", "mounted"] as const),
]);
export const overPhases: ReadonlySet<LayerStatus> = new Set([
  ...(["done", "present", "there", "mounted"] as const),
]);

const barWidthMax = 40;
const barWidthMin = 8;
/** What stands beside a bar: the sizes, the speed, the time that is left. */
const besideBarWidth = 40;

/** "d4e6fd67dcf7 [=====>    ]  1.2MB/3.49MB  5.1MB/s  3s left", never wider than the terminal. */
export function layerLine(layer: LayerProgress, nowMs: number, columns: number): string {
  const { name, sizeBytes, bytes } = layer;
  const status = statusOf(layer);
  const size = formatSize(sizeBytes, { digits: 3 });
  if (wordsOnly.has(status)) {
    return cut(`${name} ${words[status]}`, columns);
  }
  const pace = paceOf(speed(layer, nowMs), sizeBytes - bytes);
  const counts = status === "done" ? size : `${formatSize(bytes, { digits: 3 })}/${size}`;
  const tail = `${counts.padStart(15)}  ${words[status] || pace}`;
  const room = Math.min(columns - name.length - besideBarWidth, barWidthMax);
  return cut(`${name} ${room < barWidthMin ? "" : bar(bytes, sizeBytes, room)}${tail}`, columns);
}

/** "5.1MB/s  1m20s left"; "" while nothing is known. */
function paceOf(bytesPerSecond: number, missingBytes: number): string {
  if (bytesPerSecond <= 0) return "";
  const pace = `${formatSize(bytesPerSecond, { digits: 3 })}/s`;
  const seconds = Math.ceil(missingBytes / bytesPerSecond);
  return missingBytes <= 0 || seconds > secondsLeftMax
    ? pace
    : `${pace}  ${formatSeconds(seconds)} left`;
}

/** More than that is no forecast. */
const secondsLeftMax = 24 * 3600;

/** "45s", "1m20s", "2h5m". */
function formatSeconds(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${Math.floor(seconds / 3600)}h${Math.floor((seconds % 3600) / 60)}m`;
}

function bar(bytes: number, sizeBytes: number, width: number): string {
  const cells = width - 2;
  const full =
    sizeBytes === 0 ? cells : Math.floor((Math.min(bytes, sizeBytes) / sizeBytes) * cells);
  const head = full > 0 && full < cells ? ">" : "";
  return `[${`${"=".repeat(full - head.length)}${head}`.padEnd(cells)}]`;
}

/** The last column stays free: some terminals wrap when it is written. */
function cut(line: string, columns: number): string {
  return line.trimEnd().slice(0, Math.max(columns - 1, 0));
}

/** The lines of a terminal's picture: of many layers those still in work; while any is, how far all of them are. */
export function pullLines(
  { layers }: PullProgress,
  { nowMs, columns, rows }: { nowMs: number; columns: number; rows: number },
): string[] {
  const all = [...layers.values()];
  const rowsMax = Math.max(rows - 2, 1);
  const isOver = (layer: LayerProgress): boolean => overPhases.has(layer.phase);
  const busy = all.filter((layer) => !isOver(layer));
  const isCrowded = all.length + 1 > rowsMax;
  const shown = isCrowded ? busy.slice(0, rowsMax - 1) : all;
  const lines = shown.map((layer) => layerLine(layer, nowMs, columns));
  const needsTotal = isCrowded || (all.length > 1 && busy.length > 0);
  return needsTotal ? [...lines, totalLine(all, busy.length, nowMs, columns)] : lines;
}

/** "3 of 5 layers done      12MB/30MB  5MB/s  4s left": without those that were here before. */
function totalLine(
  all: readonly LayerProgress[],
  busyCount: number,
  nowMs: number,
  columns: number,
): string {
  const moved = all.filter(({ phase }) => phase !== "present");
  const sum = (of: (layer: LayerProgress) => number): number =>
    moved.reduce((total, layer) => total + of(layer), 0);
  const total = sum(({ sizeBytes }) => sizeBytes);
  const here = sum((layer) => (overPhases.has(layer.phase) ? layer.sizeBytes : layer.bytes));
  const rate = sum((layer) => (overPhases.has(layer.phase) ? 0 : speed(layer, nowMs)));
  const sizes = `${formatSize(here, { digits: 3 })}/${formatSize(total, { digits: 3 })}`;
  const done = `${all.length - busyCount} of ${all.length} layers done`;
  if (busyCount === 0) return cut(done, columns);
  return cut(`${done}  ${sizes}  ${paceOf(rate, total - here)}`, columns);
}

/** What is said once and stays, whatever is drawn below. */
export function headlineOf(event: PullEvent): string | undefined {
  if (event.kind === "resolving") return `Pulling ${event.reference}`;
  if (event.kind === "pushing") return `Pushing ${event.reference}`;
  if (event.kind === "remapping") return `Unpacking ${event.reference} for another id map`;
  return event.kind === "retry" ? event.message : undefined;
}

/** What is said once and stays, where nothing can be redrawn; undefined for what is not worth a line. */
export function plainLine(progress: PullProgress, event: PullEvent): string | undefined {
  const headline = headlineOf(event);
  if (headline !== undefined) return headline;
  if (event.kind !== "phase") return undefined;
  const layer = progress.layers.get(event.digest);
  if (layer === undefined || layer.phase === "present") return undefined;
  const size = formatSize(layer.sizeBytes, { digits: 3 });
  if (event.phase === "done") return `${layer.name} done (${size})`;
  const isTold = event.phase === "waiting" || overPhases.has(event.phase);
  return isTold ? `${layer.name} ${words[event.phase]}` : undefined;
}
