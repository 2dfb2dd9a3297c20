/** Words that qualify a mount, shared by -v and --mount: which there are, and which contradict each other. */
import { posix } from "node:path";
import { TspodError } from "../../errors.ts";

/** Of each line at most one may be given. */
const alternatives = [
  "ro rw",
  "rro rw",
  "bind rbind",
  "private rprivate shared rshared slave rslave unbindable runbindable",
  "suid nosuid",
  "dev nodev",
  "exec noexec",
  "z Z",
  "copy nocopy",
  "cached delegated consistent",
  "idmap ridmap",
].map((line) => line.split(" "));

const mountWords = new Set(alternatives.flat());
/** They are heard, and there is nothing to do. */
const needless = new Set("z Z cached delegated consistent copy".split(" "));

export interface Words {
  /** For whoever mounts. */
  options: string[];
  isNotSeeded: boolean;
  givesAway: boolean;
  isOverlay: boolean;
  upper?: string;
  work?: string;
}

/** `fail` makes the error of what is wrong with them, as half a sentence. */
export function parseWords(words: readonly string[], fail: (why: string) => TspodError): Words {
  const parsed: Words = { options: [], isNotSeeded: false, givesAway: false, isOverlay: false };
  for (const word of words) {
    const [, key = "", path = ""] = /^(upperdir|workdir)=(.*)$/.exec(word) ?? [];
    if (key !== "") {
      if (!path.startsWith("/")) throw fail(`${key} needs an absolute path`);
      parsed[key === "upperdir" ? "upper" : "work"] = path;
    } else if (word === "U") parsed.givesAway = true;
    else if (word === "O") parsed.isOverlay = true;
    else if (word === "nocopy") parsed.isNotSeeded = true;
    else if (word.startsWith("idmap=")) throw fail("idmap takes no map: it is the container's own");
    else if (!mountWords.has(word)) throw fail(`"${word}" is no mount option`);
    // z and Z relabel for SELinux, which a user namespace of one's own makes needless where it is off
    else if (!needless.has(word)) parsed.options.push(word);
  }
  refuseContradictions(words, parsed, fail);
  return parsed;
}

function refuseContradictions(
  words: readonly string[],
  { isOverlay, upper, work, options, givesAway }: Words,
  fail: (why: string) => TspodError,
): void {
  for (const group of alternatives) {
    const [first, second] = [...new Set(words.filter((word) => group.includes(word)))];
    if (second !== undefined) throw fail(`"${first}" and "${second}" contradict each other`);
  }
  if ((upper === undefined) !== (work === undefined)) {
    throw fail("upperdir and workdir go together");
  }
  if (upper !== undefined && !isOverlay) throw fail("upperdir and workdir are for O");
  if (!isOverlay) return;
  const odd = options.find((word) => !/^(no)?(suid|dev|exec)$|^r?private$/.test(word));
  if (odd !== undefined) throw fail(`"O" and "${odd}" contradict each other`);
  if (givesAway) throw fail('"O" and "U" contradict each other: the directory is not changed');
}

/** An absolute path in the container, without "..", "." and a slash at its end. */
export function parseDestination(text: string, fail: (why: string) => TspodError): string {
  if (!text.startsWith("/")) throw fail(`"${text}" is not an absolute path in the container`);
  const path = posix.normalize(text).replace(/(.)\/$/, "$1");
  if (path === "/") throw fail("the destination cannot be the root itself");
  return path;
}
