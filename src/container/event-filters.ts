/** What `events --filter` can ask, by docker's and podman's keys. */
import {
  type FilterKey,
  type FilterKeys,
  labelFilter,
  parseFilters,
  wordFilter,
} from "../lib/filters.ts";
import { eventTypes, type StoreEvent } from "../store/events.ts";

type Key = FilterKey<StoreEvent>;

/** Podman says it so, docker otherwise. */
const dockerWords: Readonly<Record<string, string>> = { die: "died", destroy: "remove" };

const keys: FilterKeys<StoreEvent> = {
  container: ofThing("container"),
  artifact: ofThing("artifact"),
  volume: ofThing("volume"),
  secret: ofThing("secret"),
  network: ofThing("network"),
  image: {
    parse: (wanted) => (event) =>
      event.type === "image" ? isNamed(event, wanted) : isImage(event.image, wanted),
  },
  event: {
    parse: (wanted) => {
      const status = dockerWords[wanted] ?? wanted;
      return (event) => event.status === status || event.status.startsWith(`${status}:`);
    },
  },
  type: wordFilter("type", eventTypes, ({ type }) => type),
  label: labelFilter(({ attributes }) => attributes),
  // there are none of these
  ...{ pod: nothing(), daemon: nothing(), plugin: nothing(), node: nothing() },
  ...{ service: nothing(), config: nothing() },
  scope: wordFilter("scope", ["local", "swarm"], () => "local"),
};

/** Throws usage. */
export function eventFilter(texts: readonly string[]): (event: StoreEvent) => boolean {
  const statusToo = { ...keys, status: keys.event as Key };
  return parseFilters(texts, statusToo);
}

function ofThing(type: StoreEvent["type"]): Key {
  return { parse: (wanted) => (event) => event.type === type && isNamed(event, wanted) };
}

function isNamed({ id, name }: StoreEvent, wanted: string): boolean {
  const isPrefix = /^(sha256:)?[0-9a-f]+$/.test(wanted) && id.startsWith(wanted);
  return name === wanted || id === wanted || isPrefix || isImage(name, wanted);
}

/** "alpine" is docker.io's "library/alpine:latest" as well. */
function isImage(image: string, wanted: string): boolean {
  const short = image.replace(/^docker\.io\/(library\/)?/, "");
  const all = [image, short].flatMap((name) => [name, name.replace(/:latest$/, "")]);
  return image !== "" && all.includes(wanted);
}

function nothing(): Key {
  return { parse: () => () => false };
}
