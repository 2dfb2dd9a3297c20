/**
 * What happened, in order: one JSON object a line of `events.jsonl`, appended with one write by whoever did the thing (this
 * program or a container's monitor, zig/src/monitor/events.zig). A line is never changed; a file that has grown large
 * becomes `events.jsonl.1`, and what was that before is forgotten.
 */
import type { Database } from "bun:sqlite";
import { appendFileSync, renameSync, statSync } from "node:fs";
import { transact } from "./database.ts";
import type { Paths } from "./paths.ts";

export const eventTypes = [
  "container",
  "image",
  "artifact",
  "volume",
  "network",
  "secret",
  "system",
] as const;

export interface StoreEvent {
  /** RFC 3339, UTC, up to nanoseconds. */
  time: string;
  type: (typeof eventTypes)[number];
  /** "start", "died", "pull": podman's words. */
  status: string;
  id: string;
  name: string;
  /** Of a container. */
  image: string;
  attributes: Record<string, string>;
}

export type NewEvent = Pick<StoreEvent, "type" | "status"> & Partial<StoreEvent>;

/** Some forty thousand events; the older half may go. */
const fileBytesMax = 8 * 1024 * 1024;

/** A full disk loses what is told about a thing, never the thing: nothing is thrown. */
export function recordEvent({ paths }: { paths: Pick<Paths, "events"> }, event: NewEvent): void {
  const { type, status, id = "", name = "", image = "", attributes = {} } = event;
  const whole: StoreEvent = {
    time: event.time ?? new Date().toISOString(),
    type,
    status,
    id,
    name,
    image,
    attributes,
  };
  try {
    appendFileSync(paths.events, `${JSON.stringify(whole)}\n`, { mode: 0o600 });
  } catch {
    // nobody can be told that nothing can be told
  }
}

/** Part of recovery: one look. Under the lock of the store, for of two that do it at once the second would lose the first's. */
export function rotateEvents(database: Database, { events }: Pick<Paths, "events">): void {
  const isLarge = (): boolean =>
    (statSync(events, { throwIfNoEntry: false })?.size ?? 0) > fileBytesMax;
  const rotate = (): void => {
    if (isLarge()) renameSync(events, `${events}.1`);
  };
  if (isLarge()) transact(database, rotate, { durable: false });
}
