/** --secret NAME[,type=mount|env,target=,uid=,gid=,mode=] (podman run, "--secret"). */
import type { CreateOptions } from "../../spec/index.ts";
import { type FlagValues, list } from "../flags.ts";

export const secretFlags = {
  secret: list(
    "--secret",
    "NAME[,type=mount|env][,target=,uid=,gid=,mode=]",
    "Give it a secret, as a file in /run/secrets or as a variable",
  ),
} as const;

/** Throws usage. */
export async function secretOptions({
  secret,
}: FlagValues<typeof secretFlags>): Promise<Pick<CreateOptions, "secrets">> {
  if (secret.length === 0) return {};
  const { parseSecret } = await import("./secret-values.ts");
  return { secrets: secret.map(parseSecret) };
}
