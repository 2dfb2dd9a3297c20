/** Names for containers: what is allowed, and pleasant ones for those whose owner gave none. */
import { TspodError } from "../errors.ts";

const adjectives =
  "able agile amber brave bright brisk calm candid clear clever cosy crisp daring deft eager early fair fleet fond frank free fresh gentle glad golden grand green happy hardy honest humble jolly keen kind light lively loyal lucid lucky mellow merry mild modest neat nimble noble patient plain proud quick quiet ready rosy sharp silent simple sleek smart snug solid steady still sunny swift tidy true upbeat vivid warm wise witty young zesty";
const nouns =
  "acorn alder anchor apple ash aspen badger basil beacon beaver birch bison breeze brook canyon cedar clover comet coral crane dahlia delta ember falcon fern finch fjord fox garnet glacier grove harbor hazel heron iris island jasper juniper kestrel lagoon lantern larch laurel lily lynx maple marten meadow mesa mint moss nectar oak opal orchid osprey otter pebble pine plover poplar prairie quail quartz raven reef river robin rowan sage sparrow spruce summit thistle tundra valley walnut willow wren yarrow";

const pick = (words: string): string => {
  const list = words.split(" ");
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return list[random % list.length] ?? "";
};

/** Something like "brave_otter". Not unique: the store refuses a second one, and the caller draws again. */
export function generateName(): string {
  return `${pick(adjectives)}_${pick(nouns)}`;
}

/** Docker's rule. Throws usage. */
export function parseContainerName(text: string): string {
  const name = text.startsWith("/") ? text.slice(1) : text;
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(name)) return name;
  throw new TspodError("usage", `Invalid container name "${text}"`, {
    next: "use up to 255 letters, digits, '_', '.' and '-', starting with a letter or digit",
  });
}

export function nameInUse(name: string): TspodError {
  return new TspodError("container.name_in_use", `The name "${name}" is in use`, {
    next: `remove that container: tspod rm ${name}, or use another name`,
  });
}

/** 64 hex characters of randomness. */
export function generateId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}
