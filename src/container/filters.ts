/** What `--filter` can ask of containers, by docker's and podman's keys: ps, rm, stop, kill, pause, prune. */
import { findImage, type ImageContext } from "../image/index.ts";
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
import { type CreateOptions, formatNetworkMode, isPrivate, networkUses } from "../spec/index.ts";
import { findNetworkRecords } from "../store/networks.ts";
import { type Container, getContainer, type Store } from "./find.ts";
import { exposedOf, portsOf } from "./asked.ts";
import { type ContainerStatus, healthOf, restartPolicyOf, statusOf } from "./status.ts";

type Key = FilterKey<Container>;

/** Throws usage, and container.not_found where a value names a container. */
export function containerFilter(
  context: Store,
  texts: readonly string[],
): (container: Container) => boolean {
  return texts.length === 0 ? () => true : parseFilters(texts, containerKeys(context));
}

/** Those of `prune`, which is only about what has ended. */
export function pruneFilter(texts: readonly string[]): (container: Container) => boolean {
  return parseFilters(texts, { until: until(), label: labels });
}

const optionsOf = ({ options }: Container): CreateOptions => options as CreateOptions; // create recorded it

const labels = labelFilter<Container>((container) => container.labels);

function containerKeys(context: Store): FilterKeys<Container> {
  return {
    id: byId,
    name: patternFilter("name", ({ name }) => [name, `/${name}`]),
    label: labels,
    exited: number("exited", ({ state }) => (state.status === "exited" ? state.exitCode : null)),
    status: byStatus,
    ancestor: byAncestor(context),
    before: byAge(context, (age) => age < 0),
    since: byAge(context, (age) => age > 0),
    until: until(),
    volume: byVolume,
    network: byNetwork(context),
    publish: byPort("publish", isPublished),
    expose: byPort(
      "expose",
      (container, range) => isPublished(container, range) || isExposed(container, range),
    ),
    health: wordFilter("health", ["starting", "healthy", "unhealthy", "none"], healthOf),
    "is-task": wordFilter("is-task", ["true", "false"], () => "false"), // of swarms, which there are none of
    pod: { parse: () => () => false },
    "restart-policy": wordFilter(
      "restart-policy",
      ["no", "always", "on-failure", "unless-stopped"],
      restartPolicyOf,
    ),
    command: {
      parse: (wanted) => (container) =>
        container.command[0] === wanted || container.command.join(" ") === wanted,
    },
  };
}

const byId: Key = {
  parse: (wanted) => {
    if (/^[0-9a-f]+$/.test(wanted)) return ({ id }) => id.startsWith(wanted);
    return patternFilter<Container>("id", ({ id }) => [id]).parse(wanted);
  },
};

/** Docker's words and podman's. */
const statuses: Record<string, readonly ContainerStatus[]> = {
  created: ["created"],
  configured: ["created"],
  initialized: [],
  running: ["running"],
  paused: ["paused"],
  restarting: ["restarting"],
  exited: ["exited"],
  stopped: ["exited"],
  ...{ stopping: [], removing: [], dead: [], unknown: [] },
};

const byStatus: Key = {
  parse: (value) => {
    const wanted = Object.hasOwn(statuses, value) ? statuses[value] : undefined;
    if (wanted === undefined) {
      throw invalidValue("status", value, `use one of: ${Object.keys(statuses).join(", ")}`);
    }
    return (container) => wanted.includes(statusOf(container));
  },
};

/** An image, by its name or id, and what was built on it. */
function byAncestor(context: Store): Key {
  return {
    parse: (wanted) => {
      const ids = new Set(descendants(context, wanted));
      return ({ imageId, imageName }) => imageName === wanted || ids.has(imageId);
    },
  };
}

function descendants({ database }: Pick<ImageContext, "database">, wanted: string): string[] {
  const image = findImage({ database }, wanted);
  if (image === undefined) return [];
  const [top = ""] = image.layers;
  const sql = "SELECT DISTINCT image_id AS id FROM image_layer WHERE chain_id = ?";
  const above = database.query<{ id: string }, [string]>(sql).all(top);
  return [image.id, ...above.map(({ id }) => id)];
}

function byAge(context: Store, holds: (ageMs: number) => boolean): Key {
  return {
    parse: (wanted) => {
      const { id: other, createdAt } = getContainer(context, wanted);
      const at = Date.parse(createdAt);
      return (container) => container.id !== other && holds(Date.parse(container.createdAt) - at);
    },
  };
}

function until(): Key {
  return {
    parse: (value) => {
      const at = parseInstant(value, "filter until", Date.now());
      return ({ createdAt }) => Date.parse(createdAt) < at;
    },
  };
}

/** The name of a volume, a directory of the host, or where it is in the container. */
const byVolume: Key = {
  parse: (wanted) => (container) =>
    optionsOf(container).mounts.some(
      (mount) => mount.destination === wanted || ("source" in mount && mount.source === wanted),
    ),
};

function number(name: string, of: (container: Container) => number | null): Key {
  return {
    parse: (value) => {
      if (!/^-?\d+$/.test(value)) throw invalidValue(name, value, "give a whole number");
      return (container) => of(container) === Number(value);
    },
  };
}

/**
 * By what --network says; "bridge", "default" and "podman" are other names for a private one. A network that was created may be
 * named by its id, too.
 */
function byNetwork({ database }: Store): Key {
  return {
    parse: (wanted) => {
      const isOwn = ["bridge", "default", "podman"].includes(wanted);
      const mode = isOwn ? "private" : wanted;
      const [found] = findNetworkRecords(database, wanted);
      return (container) => {
        const { network } = optionsOf(container);
        const uses = networkUses(network);
        const isMode = (uses === null || isPrivate(network)) && formatNetworkMode(network) === mode;
        return isMode || uses?.some(({ name }) => name === (found?.name ?? wanted)) === true;
      };
    },
  };
}

interface PortRange {
  from: number;
  to: number;
  protocol: string;
}

/** docker's rule for both: a port of the container. */
function byPort(name: string, has: (container: Container, range: PortRange) => boolean): Key {
  return {
    parse: (value) => {
      const [, low, high = low, protocol = "tcp"] =
        /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value) ?? [];
      if (low === undefined) {
        throw invalidValue(name, value, "give a port or a range, such as 80 or 8000-8080/tcp");
      }
      return (container) => has(container, { from: Number(low), to: Number(high), protocol });
    },
  };
}

function isPublished(container: Container, { from, to, protocol }: PortRange): boolean {
  return portsOf(container).some(
    (port) =>
      port.protocol === protocol &&
      port.containerPort <= to &&
      port.containerPort + port.count > from,
  );
}

function isExposed(container: Container, { from, to, protocol }: PortRange): boolean {
  return exposedOf(container).some((text) => {
    const [number = "", word] = text.split("/");
    return word === protocol && Number(number) >= from && Number(number) <= to;
  });
}
