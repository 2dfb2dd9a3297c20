/** --privileged, --cap-add, --cap-drop, --security-opt: the flags. Their values are read only when somebody gives one. */
import type { SecurityOptions } from "../../spec/index.ts";
import { boolean, type FlagValues, list } from "../flags.ts";

export const securityFlags = {
  privileged: boolean(
    "--privileged",
    "All capabilities in its user namespace, no seccomp, nothing of /proc and /sys hidden",
  ),
  capAdd: list("--cap-add", "CAPABILITY", "Give it a capability, or ALL"),
  capDrop: list("--cap-drop", "CAPABILITY", "Take a capability away, or ALL"),
  securityOpt: list(
    "--security-opt",
    "OPTION",
    "no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask=, systempaths=unconfined, proc-opts=",
    [
      "no-new-privileges",
      "seccomp=unconfined",
      "apparmor=unconfined",
      "label=disable",
      "unmask=ALL",
    ],
  ),
} as const;

export type SecurityFlags = FlagValues<typeof securityFlags>;

/** Empty when nothing was asked for. Throws usage. */
export async function securityOptions(
  flags: SecurityFlags,
): Promise<{ security?: SecurityOptions }> {
  const { privileged, capAdd, capDrop, securityOpt } = flags;
  if (!privileged && capAdd.length + capDrop.length + securityOpt.length === 0) return {};
  const { parseSecurity } = await import("./security-values.ts");
  return { security: parseSecurity(flags) };
}
