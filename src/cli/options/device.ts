/** --device: devices of the host, one by one or by directory. */
import { realpathSync, statSync } from "node:fs";
import { TspodError } from "../../errors.ts";
import { decidingGroup, devicesBelow, groupName, mayUse } from "../../host/index.ts";
import type { DeviceOption, SetupOptions } from "../../spec/index.ts";

/** Throws usage: what is no device, or none that the caller may use. */
export function parseDevices(
  texts: readonly string[],
  keepGroups: boolean,
): Pick<SetupOptions, "devices" | "warnings"> {
  const devices = texts.flatMap(parseDevice);
  for (const device of devices) requireUsable(device);
  return { devices, warnings: devices.flatMap((device) => warningsOf(device, keepGroups)) };
}

/** HOST[:INSIDE][:PERMISSIONS]. */
function parseDevice(text: string): DeviceOption[] {
  const parts = text.split(":");
  const [host = "", ...rest] = parts;
  const last = rest.at(-1);
  const permissions = last !== undefined && /^[rwm]{1,3}$/.test(last) ? last : undefined;
  const inside = permissions === undefined ? rest : rest.slice(0, -1);
  const [destination = host] = inside;
  if (!host.startsWith("/")) {
    const isCdi = /^[^/]+\/[^=]+=.+$/.test(host);
    throw invalid(
      text,
      isCdi ? "devices of CDI are not supported" : "the path of a device is absolute",
    );
  }
  if (inside.length > 1 || !destination.startsWith("/")) {
    throw invalid(text, "it is not HOST[:INSIDE][:rwm]");
  }
  const option = { source: realPath(text, host), destination, permissions: permissions ?? "rwm" };
  const stat = statSync(option.source);
  if (stat.isCharacterDevice() || stat.isBlockDevice()) return [option];
  const below = stat.isDirectory() ? devicesBelow(option.source) : [];
  if (below.length === 0) {
    throw invalid(text, stat.isDirectory() ? "there is no device in it" : "it is no device");
  }
  return below.map((source) => ({
    ...option,
    source,
    destination: `${destination.replace(/\/$/, "")}${source.slice(option.source.length)}`,
  }));
}

function invalid(text: string, why: string): TspodError {
  return new TspodError("usage", `Invalid --device "${text}": ${why}`, {
    next: "use --device /dev/fuse, or /dev/fuse:/dev/fuse:rw",
  });
}

function realPath(text: string, path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError("usage", `Cannot use --device "${text}": "${path}" ${whyNot(code)}`, {
      next: "check its name, and whether its driver is loaded",
      cause,
    });
  }
}

function whyNot(code: string | undefined): string {
  return code === "ENOENT" ? "does not exist" : `cannot be looked at (${code})`;
}

const words = { r: "read", w: "write to" } as const;

function requireUsable({ source, permissions }: DeviceOption): void {
  const lacking = (["r", "w"] as const).find(
    (access) => permissions.includes(access) && !mayUse(source, access),
  );
  if (lacking === undefined) return;
  const { gid, mode } = statSync(source);
  const group = groupName(gid);
  const forGroup = (mode & 0o060) !== 0 && gid !== 0;
  throw new TspodError("usage", `Cannot use "${source}": you may not ${words[lacking]} it`, {
    next: forGroup
      ? `its group may: sudo usermod -aG ${group} NAME, log in again, and add --group-add keep-groups`
      : `have somebody allow it: sudo setfacl -m u:NAME:rw ${source}`,
  });
}

function warningsOf({ source, permissions }: DeviceOption, keepGroups: boolean): string[] {
  const group = keepGroups ? null : decidingGroup(source);
  const byGroup = `"${source}" is yours only through the group "${group}", which a container leaves: --group-add keep-groups keeps it`;
  const more = (["r", "w"] as const).filter(
    (access) => !permissions.includes(access) && mayUse(source, access),
  );
  const notLess = `"${source}" cannot be limited to "${permissions}": what you may do with it, the container may`;
  return [...(group === null ? [] : [byGroup]), ...(more.length > 0 ? [notLess] : [])];
}
