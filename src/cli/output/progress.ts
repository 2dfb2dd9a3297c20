/**
 * Shows a pull or a push on standard error: a picture redrawn in place on a terminal, plain lines elsewhere (and with
 * NO_COLOR or TERM=dumb), JSON lines for programs. What the pictures are is progress-model.ts's.
 */
import { writeSync } from "node:fs";
import { isTerminal } from "./terminal.ts";
import type { PullEvent } from "../../image/index.ts";
import { advance, emptyProgress, headlineOf, plainLine, pullLines } from "./progress-model.ts";
import { jsonLines, type Told } from "./progress-json.ts";
import { safe } from "./safe.ts";

const redrawIntervalMs = 100;
const fallback = { columns: 80, rows: 24 };

type Environment = Record<string, string | undefined>;

/** A function for a pull's events. After "end" it has let go of everything and can begin again. */
export function createProgress(
  environment: Environment,
  kind: "auto" | "plain" | "json",
): (event: PullEvent) => void {
  if (kind === "json") return json();
  if (kind === "plain") return plain();
  const isDumb = environment.TERM === "dumb" || Boolean(environment.NO_COLOR);
  return isTerminal(2) && !isDumb ? drawing() : plain();
}

function plain(): (event: PullEvent) => void {
  let progress = emptyProgress();
  return (event) => {
    const line = plainLine(progress, event);
    advance(progress, event, Date.now());
    if (line !== undefined) write(`${safe(line)}\n`);
    if (event.kind === "end") progress = emptyProgress();
  };
}

function json(): (event: PullEvent) => void {
  let progress = emptyProgress();
  let told: Told = new Map();
  return (event) => {
    const nowMs = Date.now();
    advance(progress, event, nowMs);
    for (const line of jsonLines(progress, event, told, nowMs)) write(`${line}\n`);
    if (event.kind === "end") [progress, told] = [emptyProgress(), new Map()];
  };
}

function drawing(): (event: PullEvent) => void {
  let progress = emptyProgress();
  let drawnLines = 0;
  let timer: NodeJS.Timeout | undefined;

  /** Each line is cleared to its end, so a shorter one leaves nothing of the longer one before it. */
  const draw = (): void => {
    const lines = pullLines(progress, { nowMs: Date.now(), ...terminalSize() });
    const up = drawnLines > 0 ? `\x1b[${drawnLines}A` : "";
    write(`${up}\r${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    drawnLines = lines.length;
  };
  /** Above the picture, to stay. */
  const say = (text: string): void => {
    const up = drawnLines > 0 ? `\x1b[${drawnLines}A` : "";
    write(`${up}\r\x1b[J${safe(text)}\n`);
    drawnLines = 0;
    if (timer !== undefined) draw();
  };
  return (event) => {
    advance(progress, event, Date.now());
    const headline = headlineOf(event);
    if (headline !== undefined) say(headline);
    if (event.kind === "layers") {
      timer ??= setInterval(draw, redrawIntervalMs);
      draw();
    }
    if (event.kind !== "end") return;
    clearInterval(timer);
    if (timer !== undefined) draw();
    timer = undefined;
    drawnLines = 0;
    progress = emptyProgress();
  };
}

function terminalSize(): { columns: number; rows: number } {
  const { columns, rows } = process.stderr;
  return { columns: columns || fallback.columns, rows: rows || fallback.rows };
}

function write(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // the terminal went away: the pull goes on
  }
}
