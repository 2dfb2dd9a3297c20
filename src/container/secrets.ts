/**
 * Secrets of containers: their bytes are in the database, and from the creation of the container on in its place below
 * the runtime directory, which is memory where the system has one for users. Never in the container's own directory. A
 * reboot takes that copy away; then what is in the database counts.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename } from "node:path";
import { TspodError } from "../errors.ts";
import { giveTreesNow, type LayerMapping } from "../helper/index.ts";
import { ownId } from "../host/index.ts";
import { isAlive, ownIdentity } from "../lib/process-identity.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { type CreateOptions, secretFile, type SecretUse, secretVariables } from "../spec/index.ts";
import { type ContainerRecord, listIds, runtimeDirectory } from "../store/containers.ts";
import { findSecretRecords, readSecret } from "../store/secrets.ts";
import type { Paths } from "../store/paths.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";

const temporaryPrefix = ".tmp.";

const allSecrets = (paths: Paths): string => `${paths.runtime}/secrets`;

export const secretsPlace = (paths: Paths, id: string): string =>
  `${allSecrets(paths)}/${basename(runtimeDirectory(paths, id))}`;

/** By id from now on. Errors: secret.not_found, secret.ambiguous, usage (two at one place). */
export function settleSecrets(
  { database }: Pick<ContainerContext, "database">,
  secrets: readonly SecretUse[],
): SecretUse[] {
  const taken = new Set<string>();
  return secrets.map((secret) => {
    const place = secret.type === "env" ? `env ${secret.target}` : secret.target;
    if (taken.has(place)) {
      throw new TspodError("usage", `Two secrets cannot both be "${secret.target}"`, {
        next: "give one of them another target=",
      });
    }
    taken.add(place);
    const { id, name } = getSecret(database, secret.name);
    return { ...secret, id, name };
  });
}

export function getSecret(database: ContainerContext["database"], wanted: string) {
  const [found, other] = findSecretRecords(database, wanted);
  if (found === undefined) {
    throw new TspodError("secret.not_found", `Cannot find secret "${wanted}"`, {
      next: "tspod secret ls lists them",
    });
  }
  if (other === undefined) return found;
  throw new TspodError("secret.ambiguous", `"${wanted}" begins more than one secret's id`, {
    next: "give more characters of it, or the name",
  });
}

/** Nothing to do for most. Errors: secret.not_found, store.*. */
export function placeSecrets(
  context: ContainerContext,
  { id, name, options }: Pick<ContainerRecord, "id" | "name" | "options">,
): void {
  const { secrets } = options as CreateOptions; // create recorded it
  if (secrets === undefined) return;
  const place = secretsPlace(context.paths, id);
  if (existsSync(place)) return;
  const temporary = `${allSecrets(context.paths)}/${temporaryPrefix}${ownIdentity()}`;
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  try {
    let variables = "";
    for (const [index, secret] of secrets.entries()) {
      const data = readSecret(context.database, secret.id ?? "");
      if (data === null) throw gone(name, secret);
      if (secret.type === "env") variables += `${secret.target}=${textOf(data, secret)}\0`;
      else writeSecret(context, id, secretFile(temporary, index), secret, data);
    }
    writeFileSync(secretVariables(temporary), variables, { mode: 0o600 });
    renameSync(temporary, place);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    removeIfEmpty(allSecrets(context.paths));
    if (existsSync(place)) return; // somebody was faster
    throw error;
  }
}

function gone(container: string, { name }: SecretUse): TspodError {
  return new TspodError(
    "secret.not_found",
    `Cannot start "${container}": its secret "${name}" is gone`,
    {
      next: `make it again: tspod secret create ${name} FILE, and create the container again`,
    },
  );
}

function textOf(data: Uint8Array, { name }: SecretUse): string {
  const text = new TextDecoder("utf-8").decode(data);
  if (!text.includes("\0")) return text;
  throw new TspodError("usage", `Secret "${name}" cannot be a variable: it has a zero byte in it`, {
    next: "mount it: leave type=env away",
  });
}

/** The container's ids are some of the caller's. */
function writeSecret(
  context: ContainerContext,
  id: string,
  path: string,
  { uid, gid, mode }: Extract<SecretUse, { type: "mount" }>,
  data: Uint8Array,
): void {
  writeFileSync(path, data, { mode: 0o600 });
  chmodSync(path, mode); // whatever the umask says
  const { linux } = readContainerFile<RuntimeSpec>(context, id, "config.json");
  const { mapping, helper: command, signal } = context;
  const owner = {
    uid: ownOf(mapping, linux.uidMappings, "uid", uid),
    gid: ownOf(mapping, linux.gidMappings, "gid", gid),
  };
  if (owner.uid !== 0 || owner.gid !== 0) giveTreesNow({ command, mapping, signal }, owner, [path]);
}

function ownOf(
  mapping: LayerMapping,
  lines: RuntimeSpec["linux"]["uidMappings"],
  kind: "uid" | "gid",
  id: number,
): number {
  if (lines === undefined) return id; // another container's namespace: the usual ids
  const line = lines.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  const own = line && ownId(mapping[kind], line.hostID + (id - line.containerID));
  if (own !== undefined) return own;
  throw new TspodError("usage", `Cannot give a secret to the ${kind} ${id}: it is none of yours`, {
    next: "choose another with uid= and gid=",
  });
}

/** "KEY=value" of those that are variables, for exec. */
export function secretEnvironment(
  { paths }: Pick<ContainerContext, "paths">,
  { id, options }: Pick<ContainerRecord, "id" | "options">,
): string[] {
  if ((options as CreateOptions).secrets === undefined) return []; // create recorded it
  const text = readFileSync(secretVariables(secretsPlace(paths, id)), "utf8");
  return text.split("\0").filter(Boolean);
}

export function discardSecrets(paths: Paths, id: string): void {
  const place = secretsPlace(paths, id);
  if (!existsSync(place)) return;
  rmSync(place, { recursive: true, force: true });
  removeIfEmpty(allSecrets(paths));
}

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // others have theirs there
  }
}

/** Of containers that are gone without anybody of ours looking on. */
export function recoverSecrets({ database, paths }: ContainerContext): void {
  let names: string[];
  try {
    names = readdirSync(allSecrets(paths));
  } catch {
    return; // nobody has any
  }
  const known = new Set(
    names.length === 0 ? [] : listIds(database).map((id) => basename(runtimeDirectory(paths, id))),
  );
  for (const name of names) {
    const isTemporary = name.startsWith(temporaryPrefix);
    if (isTemporary ? isAlive(name.slice(temporaryPrefix.length)) : known.has(name)) continue;
    rmSync(`${allSecrets(paths)}/${name}`, { recursive: true, force: true });
  }
  removeIfEmpty(allSecrets(paths));
}
