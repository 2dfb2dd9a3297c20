/**
 * What a name without a registry means (containers-registries.conf(5), shortnames.conf): an alias, or the same name in each
 * of the search list's registries. Pure.
 */
import { defaultRegistry, hasRegistry, parseReference, type Reference } from "../oci/index.ts";
import { parseConfText } from "./conf-text.ts";

export interface ShortNames {
  /** Absent: nobody has said. */
  readonly search?: readonly string[];
  /** Short name -> name with a registry; "" takes away what an earlier file has. */
  readonly aliases: ReadonlyMap<string, string>;
}

const searchCountMax = 32;

/** Of one file; what it says about registries is read elsewhere. Throws registries_conf.invalid. */
export function parseShortNames(text: string, path: string): ShortNames {
  const { value, bad } = parseConfText(text, path);
  const search = value["unqualified-search-registries"];
  const isList = Array.isArray(search) && search.every((one) => typeof one === "string");
  if (search !== undefined && !isList)
    throw bad('"unqualified-search-registries" is no list of names');
  if (isList && search.length > searchCountMax)
    throw bad(`more than ${searchCountMax} registries to search`);
  const table = value.aliases ?? {};
  if (typeof table !== "object" || table === null) throw bad('"aliases" should be a table');
  const aliases = new Map<string, string>();
  for (const [name, target] of Object.entries(table)) {
    if (typeof target !== "string") throw bad(`the alias "${name}" is no name`);
    aliases.set(name, target);
  }
  return { aliases, ...(isList ? { search } : {}) };
}

/** Later files win. */
export function mergeShortNames(files: readonly ShortNames[]): ShortNames {
  const aliases = new Map(files.flatMap((file) => [...file.aliases]));
  const search = files.findLast((file) => file.search !== undefined)?.search;
  return { aliases, ...(search === undefined ? {} : { search }) };
}

/** The references a name may stand for, in the order in which they are tried. Throws reference.invalid. */
export function resolveShortName(names: ShortNames, text: string): Reference[] {
  const reference = parseReference(text);
  if (hasRegistry(text)) return [reference];
  const end = /[:@]/.exec(text)?.index ?? text.length;
  const alias = names.aliases.get(text.slice(0, end)) ?? "";
  if (alias !== "") return [parseReference(alias + text.slice(end))];
  const registries = names.search ?? [];
  if (registries.length === 0) return [reference];
  return registries.map((registry) =>
    registry === defaultRegistry ? reference : parseReference(`${registry}/${text}`),
  );
}
