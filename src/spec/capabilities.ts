/** Linux capability sets of a container (capabilities(7)). Pure. */
import type { Capabilities } from "../oci/runtime-spec.ts";

/** What container root keeps unless told otherwise: Podman's default set. */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/**
 * The five sets for container root. A process of another user keeps only the bounding set (the kernel clears
 * the rest when it leaves uid 0), so a set-user-ID program in the image works as it would on a machine.
 */
export function capabilitySets(names: readonly string[]): Capabilities {
  const list = [...names];
  return { bounding: list, effective: list, permitted: list, inheritable: [], ambient: [] };
}
