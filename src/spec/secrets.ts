/** Secrets of a container as mounts: each a file that is bound from a place in memory. Pure. */
import type { Mount } from "../oci/runtime-spec.ts";
import type { SecretUse } from "./options.ts";

export const secretsDirectory = "/run/secrets";

/** The file of the `index`th secret, below the directory that is filled at every start. */
export const secretFile = (directory: string, index: number): string => `${directory}/${index}`;

/** Variables, each ended by a NUL. */
export const secretVariables = (directory: string): string => `${directory}/variables`;

/** On a file system of their own, so that nothing of them, not even their names, is in the container's layer. */
export function secretMounts(secrets: readonly SecretUse[], directory: string): Mount[] {
  const files = secrets.flatMap((secret, index): Mount[] =>
    secret.type === "env"
      ? []
      : [
          {
            destination: secret.target.startsWith("/")
              ? secret.target
              : `${secretsDirectory}/${secret.target}`,
            type: "bind",
            source: secretFile(directory, index),
            options: ["bind", "rprivate", "ro", "nosuid", "nodev", "noexec"],
          },
        ],
  );
  const options = ["nosuid", "nodev", "noexec", "mode=755", "size=64k"];
  const place = { destination: secretsDirectory, type: "tmpfs", source: "tmpfs", options };
  const isNeeded = files.some(({ destination }) => destination.startsWith(`${secretsDirectory}/`));
  return [...(isNeeded ? [place] : []), ...files];
}
