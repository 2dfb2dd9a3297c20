/** WWW-Authenticate (RFC 9110 section 11.6.1): text of a stranger -> challenges. Pure. */

export interface Challenge {
  /** Lower case: "bearer", "basic". */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const headerLengthMax = 16 * 1024;
const challengeCountMax = 16;
const parameterCountMax = 32;

/** One step of the grammar: a scheme, or `name=token`, or `name="quoted"`, or token68, or a comma. */
const stepPattern =
  /\s*(?:,|([!#$%&'*+.^_`|~\w-]+)\s*=\s*(?:"((?:[^"\\]|\\[\s\S])*)"|([!#$%&'*+.^_`|~\w/:?@=-]*))|([!#$%&'*+.^_`|~\w-]+))/y;

/** The challenges a server offers, in its order. Never throws: what is not understood ends the list. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  if (header.length > headerLengthMax) return [];
  const pattern = new RegExp(stepPattern);
  let end = 0;
  for (let step = pattern.exec(header); step !== null; step = pattern.exec(header)) {
    end = pattern.lastIndex;
    const [, name, quoted, token, scheme] = step;
    if (scheme !== undefined) {
      if (challenges.length === challengeCountMax) break;
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    } else if (name !== undefined) {
      const current = challenges.at(-1);
      if (current === undefined || current.parameters.size === parameterCountMax) break;
      current.parameters.set(
        name.toLowerCase(),
        quoted?.replace(/\\([\s\S])/g, "$1") ?? token ?? "",
      );
    }
    if (end >= header.length) break;
  }
  return challenges;
}
