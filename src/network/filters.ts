/** `--filter` of `network ls` and `network prune` (docker's and podman's keys). */
import {
  type FilterKey,
  type FilterKeys,
  invalidValue,
  labelFilter,
  parseFilters,
  patternFilter,
  wordFilter,
} from "../lib/filters.ts";
import { parseInstant } from "../lib/instant.ts";
import { countMembers, type NetworkRecord } from "../store/networks.ts";
import type { NetworkContext } from "./context.ts";

/** Throws usage. */
export function networkFilter(
  { database }: Pick<NetworkContext, "database">,
  texts: readonly string[],
): (network: NetworkRecord) => boolean {
  const keys: FilterKeys<NetworkRecord> = {
    ...common(),
    name: patternFilter("name", ({ name }) => [name]),
    id: {
      parse: (wanted) =>
        /^[0-9a-f]+$/.test(wanted)
          ? ({ id }) => id.startsWith(wanted)
          : patternFilter<NetworkRecord>("id", ({ id }) => [id]).parse(wanted),
    },
    driver: { parse: (wanted) => () => wanted === "bridge" },
    dangling: {
      parse: (value) => {
        const isWanted = parseBoolean(value);
        const members = countMembers(database);
        return ({ id }) => !members.has(id) === isWanted;
      },
    },
    scope: wordFilter("scope", ["local", "swarm", "global"], () => "local"),
    type: wordFilter("type", ["builtin", "custom"], () => "custom"),
  };
  return parseFilters(texts, keys);
}

/** Those of `prune`, which is only about what nobody is on. Throws usage. */
export function networkPruneFilter(texts: readonly string[]): (network: NetworkRecord) => boolean {
  return parseFilters(texts, common());
}

function common() {
  const until: FilterKey<NetworkRecord> = {
    parse: (value) => {
      const at = parseInstant(value, "filter until", Date.now());
      return ({ createdAt }) => Date.parse(createdAt) < at;
    },
  };
  return { label: labelFilter<NetworkRecord>(({ labels }) => labels), until };
}

function parseBoolean(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw invalidValue("dangling", text, "use true or false");
}
