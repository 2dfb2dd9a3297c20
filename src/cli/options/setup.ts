/** --device, --group-add, --ulimit, --sysctl, --shm-size, --umask: the flags. Their values are read only when given. */
import type { SetupOptions } from "../../spec/index.ts";
import { type FlagValues, list, value } from "../flags.ts";
import type { SecurityFlags } from "./security.ts";

export const setupFlags = {
  device: list(
    "--device",
    "DEVICE[:INSIDE][:rwm]",
    "Let it use a device, or a directory of them",
    "file",
  ),
  groupAdd: list(
    "--group-add",
    "GROUP",
    "A further group, by name or number; or keep-groups: yours",
  ),
  ulimit: list(
    "--ulimit",
    "NAME=SOFT[:HARD]",
    "A resource limit, as in nofile=1024; or host: yours",
  ),
  sysctl: list(
    "--sysctl",
    "NAME=VALUE",
    "A kernel parameter of its own, as in net.ipv4.ip_forward=1",
  ),
  shmSize: value("--shm-size", "SIZE", "Size of /dev/shm (64m); 0 is no limit"),
  umask: value("--umask", "MODE", "Mode bits that new files do not get (0022)"),
} as const;

export type SetupFlags = FlagValues<typeof setupFlags>;

/** Empty when nothing was asked for. Throws usage. */
export async function setupOptions(
  flags: SetupFlags & Pick<SecurityFlags, "privileged">,
): Promise<{ setup?: SetupOptions }> {
  const { device, groupAdd, ulimit, sysctl, shmSize, umask, privileged } = flags;
  const lists = [device, groupAdd, ulimit, sysctl].every(({ length }) => length === 0);
  if (lists && shmSize === null && umask === null && !privileged) return {};
  const { parseSetup } = await import("./setup-values.ts");
  return { setup: parseSetup(flags) };
}
