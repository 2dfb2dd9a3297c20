/** What the flags of registry.ts mean: read only when a registry is talked to. */
import { TspodError } from "../../errors.ts";
import { credentialsOf, type RegistryAccess } from "../../image/index.ts";
import { parseDuration } from "../../lib/duration.ts";
import type { FlagValues } from "../flags.ts";
import type { registryFlags } from "./registry.ts";

type Given = FlagValues<typeof registryFlags> &
  Partial<Record<"creds" | "retry" | "retryDelay", string | null>> & { insecure?: boolean };

/** Throws usage. Asks for a password that is not given, on a terminal. */
export async function registryAccess(flags: Given): Promise<RegistryAccess> {
  const { authfile, certDir, creds = null } = flags;
  const tlsVerify = flags.insecure === true ? false : flags.tlsVerify;
  if (authfile === "")
    throw new TspodError("usage", 'Flag "--authfile" names no file', {
      next: "leave it away, or name one",
    });
  return {
    ...(authfile === null ? {} : { authFile: authfile }),
    ...(certDir === null ? {} : { certificateDirectory: certDir }),
    ...(tlsVerify === null ? {} : { verifiesTls: tlsVerify }),
    ...(creds === null ? {} : { credentials: await parseCredentials(creds) }),
    limits: parseRetries(flags),
  };
}

const retryCountMax = 100;
const retryDelayMsMax = 3_600_000;

/** A delay that was named is always the same; otherwise it grows. */
function parseRetries({ retry = null, retryDelay = null }: Given) {
  const count = Number(retry ?? 0);
  if (retry !== null && !(/^\d+$/.test(retry) && count <= retryCountMax)) {
    throw new TspodError("usage", `Invalid --retry "${retry}"`, {
      next: `use a number up to ${retryCountMax}`,
    });
  }
  const delayMs = retryDelay === null ? 0 : parseDuration(retryDelay, "--retry-delay");
  if (delayMs > retryDelayMsMax) {
    throw new TspodError("usage", `Invalid --retry-delay "${retryDelay}"`, {
      next: "use a time as in 500ms or 2s",
    });
  }
  return {
    ...(retry === null ? {} : { retryCountMax: count }),
    ...(retryDelay === null ? {} : { retryDelayMs: delayMs, retryDelayMsMax: delayMs }),
  };
}

async function parseCredentials(text: string) {
  const colon = text.indexOf(":");
  const username = colon < 0 ? text : text.slice(0, colon);
  if (username === "") {
    throw new TspodError("usage", 'Flag "--creds" names no user', {
      next: "write it USER:PASSWORD",
    });
  }
  if (colon >= 0) return credentialsOf(username, text.slice(colon + 1));
  const { askSecret } = await import("../output/ask.ts");
  return credentialsOf(username, await askSecret("Password: "));
}
