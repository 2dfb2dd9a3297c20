/** How a registry is reached: the flags that every command has that talks to one. */
import { boolean, value } from "../flags.ts";

/** Of login and logout: credentials are what they are about. */
export const registryFlags = {
  authfile: value("--authfile", "FILE", "Where credentials are kept", "file"),
  certDir: value("--cert-dir", "DIR", "Authorities and a client certificate", "directory"),
  tlsVerify: {
    ...boolean("--tls-verify", "Trust only a registry with a good certificate"),
    isNullUnlessGiven: true,
  },
} as const;

export const accessFlags = {
  ...registryFlags,
  retry: value("--retry", "NUMBER", "How often a failed request is tried again"),
  retryDelay: value("--retry-delay", "TIME", "How long to wait before that, as in 2s"),
  creds: value("--creds", "USER[:PASSWORD]", "Who you are, for this command only"),
} as const;

/** Of docker's manifest commands. */
export const insecureFlag = {
  insecure: boolean("--insecure", "docker's word for --tls-verify=false"),
} as const;

const neverSigns = "it does not sign; cosign does, by the digest that --digestfile writes";

/** Of push: podman's. */
export const refusedSigning = {
  ...{ "--sign-by": neverSigns, "--sign-by-sigstore": neverSigns },
  ...{ "--sign-by-sigstore-private-key": neverSigns, "--sign-passphrase-file": neverSigns },
} as const;

export const accessFlagNames = Object.keys(accessFlags) as (keyof typeof accessFlags)[]; // its own keys
