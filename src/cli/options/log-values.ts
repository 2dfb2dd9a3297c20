/** The values of --log-driver and --log-opt, as docker and podman read them. */
import { TspodError } from "../../errors.ts";
import { parseSize } from "../../lib/size.ts";
import { logDrivers, type LogOptions } from "../../spec/index.ts";
import type { LifeFlags } from "./life.ts";

/** Less would not hold a line. */
const maxBytesMin = 1024;

const files = ["k8s-file", "json-file"];

/** Which drivers an option is for. */
const drivers: Record<string, readonly string[]> = {
  ...{ path: files, "max-size": files, "max-file": files, tag: ["journald"] },
};

/** Null: nothing was asked for. Throws usage. */
export function parseLog(
  flags: Pick<LifeFlags, "logDriver" | "logOpt"> & { tty: boolean },
): LogOptions | null {
  if (flags.logDriver === null && flags.logOpt.length === 0) return null;
  const driver = parseDriver(flags.logDriver ?? "k8s-file");
  if (driver === "passthrough" && flags.tty) {
    throw new TspodError("usage", "Cannot combine --log-driver=passthrough with --tty", {
      next: "leave one of them away: a terminal of its own is nobody else's stream",
    });
  }
  const given = new Map(flags.logOpt.map((text) => parseOption(text, driver)));
  const path = given.get("path") ?? null;
  const [size, count] = [given.get("max-size"), given.get("max-file")];
  if (path !== null && !path.startsWith("/")) {
    throw new TspodError("usage", `Invalid --log-opt path "${path}"`, {
      next: "give an absolute path",
    });
  }
  return {
    ...{ driver, path, tag: given.get("tag") ?? null },
    maxBytes: size === undefined || size === "-1" ? null : parseMaxSize(size),
    maxFiles: count === undefined ? null : parseMaxFile(count),
  };
}

function parseDriver(text: string): LogOptions["driver"] {
  const found = logDrivers.find((driver) => driver === text);
  if (found !== undefined) return found;
  throw new TspodError("usage", `Cannot log with "${text}"`, {
    next: `use one of: ${logDrivers.join(", ")}`,
  });
}

function parseOption(text: string, driver: string): [string, string] {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  const value = text.slice(equals + 1);
  const allowed = Object.hasOwn(drivers, key) ? drivers[key] : undefined;
  if (equals <= 0 || allowed === undefined) {
    throw new TspodError("usage", `Unknown --log-opt "${text}"`, {
      next: `use KEY=VALUE with one of: ${Object.keys(drivers).join(", ")}`,
    });
  }
  if (allowed.includes(driver)) return [key, value];
  throw new TspodError("usage", `--log-opt ${key} means nothing to the log driver "${driver}"`, {
    next: `leave it away, or use --log-driver=${allowed.join(" or ")}`,
  });
}

function parseMaxSize(text: string): number {
  const bytes = parseSize(text, "--log-opt max-size");
  if (bytes >= maxBytesMin) return bytes;
  throw new TspodError("usage", `--log-opt max-size "${text}" is too small`, {
    next: "give at least 1k",
  });
}

function parseMaxFile(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count > 0) return count;
  throw new TspodError("usage", `Invalid --log-opt max-file "${text}"`, {
    next: "give a number from 1 to 9999",
  });
}
