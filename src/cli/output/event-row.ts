/** An event as `events` shows it: podman's line and fields, and docker's. Pure. */
import type { StoreEvent } from "../../store/events.ts";

/** Docker's words where they are others, for `Action`. */
const actions: Readonly<Record<string, string>> = { died: "die", remove: "destroy" };

export function eventRow(event: StoreEvent) {
  const { time, type, status, id, name, image, attributes } = event;
  const action = type === "container" ? (actions[status] ?? status) : status;
  const all = {
    ...attributes,
    ...(image === "" ? {} : { image }),
    ...(name === "" ? {} : { name }),
  };
  const exitCode = attributes.exitCode;
  return {
    ...{ Time: time, Type: type, Status: status, Action: action },
    ...{ ID: id, Name: name, Image: image, From: image, Scope: "local" },
    ...{ Attributes: attributes, Details: { Attributes: attributes, ID: id } },
    Network: attributes.network ?? "",
    ...{ PodID: "", Error: attributes.error ?? "" },
    Actor: { ID: id, Attributes: all },
    HealthStatus: status === "health_status" ? (attributes.health_status ?? "") : "",
    /** Of most events there is none: JSON does not have it then, a template asks for it in vain but not wrongly. */
    ContainerExitCode: exitCode === undefined ? undefined : Number(exitCode),
    TimeNano: nanoseconds(time),
  };
}

/** Milliseconds of a Date, and the digits behind them. */
function nanoseconds(time: string): bigint {
  const [, fraction = ""] = /\.(\d+)/.exec(time) ?? [];
  const seconds = BigInt(Math.floor(Date.parse(time) / 1000));
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}

const shortIdLength = 12;

/** "2026-01-31T12:00:00.123456789Z container start 0123456789ab (image=alpine, name=web)". */
export function eventLine(event: StoreEvent, options: { isTruncated: boolean }): string {
  const { time, type, status, id, name, image, attributes } = event;
  const bare = id.replace(/^sha256:/, "");
  const shown = options.isTruncated ? bare.slice(0, shortIdLength) : bare;
  const pairs = Object.entries({
    ...(image === "" ? {} : { image }),
    ...(name === "" ? {} : { name }),
    ...attributes,
  }).map(([key, value]) => `${key}=${value}`);
  const words = [time, type, status, shown].filter((word) => word !== "");
  return pairs.length === 0 ? words.join(" ") : `${words.join(" ")} (${pairs.join(", ")})`;
}
