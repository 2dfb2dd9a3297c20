/** Flags of run and create that docker, podman or nerdctl have and we do not, with the reason. */

const reasons: Readonly<Record<string, string>> = {
  "containers find each other by name on a network: there are no links": "--link --link-local-ip",
  "there are no pods": "--pod --pod-id-file --infra --init-ctr",
  "GPUs are passed on as devices: --device /dev/dri": "--gpus",
  "isolation is for Windows": "--cpu-count --cpu-percent --io-maxbandwidth --io-maxiops",
  "images are not encrypted here": "--decryption-key",
  "what signs images is not asked": `--signature-policy --verify --cosign-key
    --cosign-certificate-identity --cosign-certificate-identity-regexp
    --cosign-certificate-oidc-issuer --cosign-certificate-oidc-issuer-regexp`,
  "images come from registries and archives": "--ipfs-address",
  "there is no socket of a daemon to pass on": "--use-api-socket",
  "the kernel no longer has such a limit (cgroup v2)": "--kernel-memory",
  "real-time shares need cgroup v1": "--cpu-rt-period --cpu-rt-runtime",
  "there is no driver to choose": "--storage-opt",
  "the program of --init is part of tspod": "--init-path --init-binary",
  "directories inside get no files of ours": "--chrootdirs",
  "it takes real root": "--rdt-class --intel-rdt-class",
  "the monitor is part of tspod": "--conmon",
};

/** Flag -> why. */
export const refusedFlags = byFlag(reasons);

function byFlag(table: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(table).flatMap(([why, names]) =>
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, why] as const),
  );
  return Object.fromEntries(entries);
}
