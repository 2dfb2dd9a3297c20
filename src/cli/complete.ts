/**
 * `tspod __complete -- WORD...`: what the scripts of `tspod completion` ask while somebody types. It makes nothing, and
 * where there is no store there are no names.
 */
import { existsSync } from "node:fs";
import { listContainers } from "../container/index.ts";
import { listImages } from "../image/index.ts";
import { listNetworkRecords } from "../store/networks.ts";
import { listSecretRecords } from "../store/secrets.ts";
import { listVolumeRecords } from "../store/volumes.ts";
import { familiarReference, parseReference } from "../oci/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { commandNames, findGroup, groupNames, loadCommand, splitCommand } from "./commands.ts";
import {
  type Candidate,
  completeCommand,
  type Completion,
  type Names,
  words,
} from "./completion/candidates.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["__complete"],
  usage: "-- WORD...",
  summary: "For the shells' completion",
  flags: {},
  args: { min: 0, max: Infinity, completes: "none" },
  usesStore: false,
  async run(context, _, typed) {
    const answer = await complete(context, typed);
    const lines =
      answer.kind === "words" ? answer.words.map(([word, what]) => `${word}\t${what}`) : [];
    await print(`${[answer.kind, ...lines].join("\n")}\n`);
    return 0;
  },
});

async function complete(context: CliContext, typed: string[]): Promise<Completion> {
  const asked = typed[0] === "help" && typed.length > 1 ? typed.slice(1) : typed;
  const { path, rest } = splitCommand(asked);
  if (rest.length === 0) return words(await describeCommands(path), path.at(-1) ?? "");
  const [name = "", verb] = path;
  const command = typed === asked ? await loadCommand(name, verb) : null;
  return command === null ? words([], "") : completeCommand(command, rest, namesOf(context));
}

/** What may stand where the last word of `path` does. */
async function describeCommands(path: readonly string[]): Promise<Candidate[]> {
  const [noun = ""] = path;
  const group = path.length > 1 ? findGroup(noun) : null;
  const verbs = Object.keys(group?.commands ?? {});
  const names = group === null ? commandNames : verbs;
  const commands = await Promise.all(
    names.map((name) => (group === null ? loadCommand(name) : loadCommand(noun, name))),
  );
  const described = names.map((name, index) => [name, commands[index]?.summary ?? ""] as const);
  const nouns = groupNames.map((name) => [name, findGroup(name)?.summary ?? ""] as const);
  return group === null ? [...described, ...nouns] : described;
}

function namesOf(context: CliContext): Names {
  const isThere = existsSync(context.paths.database);
  const containers = (isWanted: (status: string) => boolean): Candidate[] =>
    (isThere ? listContainers(context) : [])
      .filter(({ state }) => isWanted(state.status))
      .map(({ name, imageName }) => [name, imageName]);
  const recorded = (list: (database: CliContext["database"]) => { name: string }[]): Candidate[] =>
    (isThere ? list(context.database) : []).map(({ name }) => [name, ""]);
  return {
    volumes: () => recorded(listVolumeRecords),
    networks: () => recorded(listNetworkRecords),
    secrets: () => recorded(listSecretRecords),
    containers: () => containers(() => true),
    running: () => containers((status) => status === "running"),
    images: () =>
      (isThere ? listImages(context) : []).flatMap(({ names }) =>
        names.map(({ reference }) => [shortName(reference), ""] as const),
      ),
  };
}

/** "docker.io/library/alpine:latest" -> "alpine": what somebody types. */
function shortName(reference: string): string {
  return familiarReference(parseReference(reference)).replace(/:latest$/, "");
}
