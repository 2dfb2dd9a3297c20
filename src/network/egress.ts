/** `--egress none | allow=NETWORK[:PORT] | allow=NAME[:PORT] | log`: whom a container may talk to. Pure. */
import { isIP, isIPv4 } from "node:net";
import { TspodError } from "../errors.ts";
import type { EgressOptions, EgressRule } from "../spec/index.ts";
import { portMax } from "./publish.ts";

/** What the network process has room for. */
const rulesMax = 64;
const usual = "use none, log, allow=NAME[:PORT] or allow=ADDRESS/BITS[:PORT]";

/** Null: nothing was asked. Throws usage. */
export function parseEgress(texts: readonly string[]): EgressOptions | null {
  if (texts.length === 0) return null;
  const words = texts.flatMap((text) => text.split(","));
  const rules = words.flatMap((word) => {
    if (word === "none" || word === "log") return [];
    const [, rule] = /^allow=(.+)$/s.exec(word) ?? [];
    if (rule === undefined) throw refuse(word, "it is no rule", usual);
    return [parseRule(rule)];
  });
  if (words.includes("none") && rules.length > 0) {
    throw new TspodError("usage", "Cannot combine --egress none with --egress allow=...", {
      next: "leave none away: what is not allowed is refused",
    });
  }
  if (rules.length > rulesMax) {
    throw new TspodError("usage", `${rules.length} rules of --egress are too many`, {
      next: `give ${rulesMax} at most: a network, or *.NAME, may stand for several`,
    });
  }
  const isLimited = rules.length > 0 || words.includes("none");
  return { isLogged: words.includes("log"), allow: isLimited ? rules : null };
}

function refuse(text: string, why: string, next: string): TspodError {
  return new TspodError("usage", `Invalid --egress "${text}": ${why}`, { next });
}

function parseRule(text: string): EgressRule {
  const [, bracketed, bare = "", port] =
    /^(?:\[([^\]]*)\]|(.*?))(?::(\d+))?$/s.exec(
      isIP(text.replace(/\/\d+$/, "")) === 6 ? `[${text}]` : text,
    ) ?? [];
  const number = port === undefined ? 0 : Number(port);
  if (port !== undefined && (number < 1 || number > portMax)) {
    throw refuse(text, `"${port}" is no port`, usual);
  }
  const what = bracketed ?? bare;
  const [, address = "", bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(what) ?? [];
  if (isIP(address) !== 0 && !address.includes("%")) {
    return { cidr: parseNetwork(text, address, bits), port: number };
  }
  if (bracketed === undefined && isName(what)) return { name: what.toLowerCase(), port: number };
  throw refuse(text, "it is neither a network nor a name", usual);
}

function parseNetwork(text: string, address: string, bits: string | undefined): string {
  const bitsMax = isIPv4(address) ? 32 : 128;
  const length = bits === undefined ? bitsMax : Number(bits);
  if (length > bitsMax) throw refuse(text, `an address has ${bitsMax} bits`, usual);
  return `${address}/${length}`;
}

/** "example.org", or "*.example.org" for all below that. */
function isName(text: string): boolean {
  const labels = text.replace(/^\*\./, "").split(".");
  const isShort = text.length <= 253;
  return (
    isShort &&
    labels.every((label) => /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label)) &&
    /[a-z]/i.test(text)
  );
}
