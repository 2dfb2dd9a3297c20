/**
 * printf with Go's verbs: %v %s %q %d %t %x %X %o %b %c %U %e %f %g %T, flags `- + # space 0`, width, precision, `*`.
 * A verb that does not fit its value prints Go's complaint (`%!d(string=x)`) and is no error. Not done: `%[1]d`.
 */
import { exponential, fixed, general } from "./printf-number.ts";
import { formatFloat, plain, quote } from "./print.ts";
import { Header, kindOf, mapEntries } from "./value.ts";

interface Verb {
  letter: string;
  flags: string;
  width: number;
  precision: number | undefined;
}

const directive = /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([^]?)/gu;
/** Go's own limit: wider is a bad width. */
const widthMax = 1_000_000;

export function sprintf(format: string, values: unknown[]): string {
  let next = 0;
  const text = format.replace(directive, (whole, ...groups: (string | undefined)[]) => {
    const [flags = "", width, precision, letter = ""] = groups;
    if (letter === "%") return "%";
    if (letter === "") return "%!(NOVERB)";
    const number = (written: string | undefined): number =>
      Number(written === "*" ? values[next++] : (written ?? 0));
    const verb: Verb = { letter, flags, width: number(width), precision: undefined };
    if (whole.includes(".")) verb.precision = number(precision);
    if (verb.width < 0) Object.assign(verb, { width: -verb.width, flags: `${flags}-` });
    if (!(verb.width <= widthMax)) return "%!(BADWIDTH)";
    if (!((verb.precision ?? 0) <= widthMax)) return "%!(BADPREC)";
    if (next >= values.length) return `%!${letter}(MISSING)`;
    return formatVerb(verb, values[next++]);
  });
  const extra = values.slice(next).map((value) => typed(value));
  return extra.length === 0 ? text : `${text}%!(EXTRA ${extra.join(", ")})`;
}

function formatVerb(verb: Verb, value: unknown): string {
  if (value instanceof Header) return formatVerb(verb, value.text);
  const { letter } = verb;
  if (letter === "T") return formatText({ ...verb, letter: "s" }, typeName(value));
  switch (kindOf(value)) {
    case "list":
      return `[${(value as unknown[]).map((item) => formatItem(verb, item)).join(" ")}]`;
    case "map":
      return `map[${mapEntries(value)
        .map(([key, item]) => `${formatItem(verb, key)}:${formatItem(verb, item)}`)
        .join(" ")}]`;
    case "string":
      if ("vsqxX".includes(letter)) return formatText(verb, value as string);
      break;
    case "bool":
      if ("vt".includes(letter)) return pad(verb, String(value));
      break;
    case "int":
      if ("vdxXobcqU".includes(letter)) return formatInteger(verb, BigInt(value as number));
      break;
    case "float64":
      if ("vgGeEfF".includes(letter)) return formatNumber(verb, value as number);
      break;
    default:
      if (letter === "v") return pad(verb, plain(value));
  }
  // Go would complain of a whole number here; JSON cannot tell 3 from 3.0.
  if (typeof value === "number" && "eEfFgG".includes(letter)) return formatNumber(verb, value);
  if (kindOf(value) === "nil") return `%!${letter}(<nil>)`;
  return `%!${letter}(${typeName(value)}=${formatVerb({ ...verb, letter: "v" }, value)})`;
}

/** Inside of lists and maps nil is <nil> whatever the verb. */
function formatItem(verb: Verb, value: unknown): string {
  return kindOf(value) === "nil" ? pad(verb, "<nil>") : formatVerb(verb, value);
}

function formatText(verb: Verb, value: string): string {
  const { letter, flags, precision } = verb;
  if (letter === "x" || letter === "X") {
    const bytes = Array.from(new TextEncoder().encode(value).slice(0, precision));
    const prefix = flags.includes("#") && bytes.length > 0 ? "0x" : "";
    const pairs = bytes.map((byte) => byte.toString(16).padStart(2, "0"));
    const separator = flags.includes(" ") ? ` ${prefix}` : "";
    const hex = prefix + pairs.join(separator);
    return pad(verb, letter === "X" ? hex.toUpperCase() : hex);
  }
  const cut = precision === undefined ? value : [...value].slice(0, precision).join("");
  if (letter !== "q") return pad(verb, cut);
  const isRaw = flags.includes("#") && !/[`\x00-\x08\x0a-\x1f\x7f\ufeff]/.test(cut);
  return pad(verb, isRaw ? `\`${cut}\`` : quote(cut, { isAscii: flags.includes("+") }));
}

const radixes: Record<string, [number, string]> = {
  x: [16, "0x"],
  X: [16, "0X"],
  o: [8, "0"],
  b: [2, "0b"],
};

function formatInteger(verb: Verb, value: bigint): string {
  const { letter, flags, precision = 0 } = verb;
  if (letter === "U") return pad(verb, `U+${value.toString(16).toUpperCase().padStart(4, "0")}`);
  if (letter === "c" || letter === "q") {
    const isCharacter = value >= 0n && value <= 0x10ffffn;
    const character = isCharacter ? String.fromCodePoint(Number(value)) : "\ufffd";
    if (letter === "c") return pad(verb, character);
    return pad(verb, quote(character, { mark: "'", isAscii: flags.includes("+") }));
  }
  const [radix, prefix] = radixes[letter] ?? [10, ""];
  const magnitude = (value < 0n ? -value : value).toString(radix);
  const digits = (letter === "X" ? magnitude.toUpperCase() : magnitude).padStart(precision, "0");
  const body = verb.precision === 0 && value === 0n ? "" : digits;
  return padNumber(verb, sign(verb, value < 0n), (flags.includes("#") ? prefix : "") + body);
}

function formatNumber(verb: Verb, value: number): string {
  const { letter, precision } = verb;
  if (!Number.isFinite(value)) return pad(verb, formatFloat(value));
  const magnitude = Math.abs(value);
  const digits = precision ?? 6;
  let body: string;
  if ("fF".includes(letter)) body = fixed(magnitude, digits);
  else if ("eE".includes(letter)) body = exponential(magnitude, digits);
  else body = precision === undefined ? formatFloat(magnitude) : general(magnitude, precision);
  return padNumber(verb, sign(verb, value < 0), "EG".includes(letter) ? body.toUpperCase() : body);
}

function sign(verb: Verb, isNegative: boolean): string {
  if (isNegative) return "-";
  return verb.flags.includes("+") ? "+" : verb.flags.includes(" ") ? " " : "";
}

/** The 0 flag fills between sign and digits, unless `-` or an integer's precision forbid it. */
function padNumber(verb: Verb, before: string, body: string): string {
  const isInteger = "vdxXob".includes(verb.letter) && verb.precision !== undefined;
  const isZeroed = verb.flags.includes("0") && !verb.flags.includes("-") && !isInteger;
  if (isZeroed) return before + body.padStart(verb.width - before.length, "0");
  return pad({ ...verb, flags: verb.flags.replaceAll("0", "") }, before + body);
}

/** Counts characters, as Go does. */
function pad(verb: Verb, text: string): string {
  const missing = verb.width - (verb.width > 0 ? [...text].length : 0);
  const isLeft = verb.flags.includes("-");
  const filling = (verb.flags.includes("0") && !isLeft ? "0" : " ").repeat(Math.max(0, missing));
  return isLeft ? text + filling : filling + text;
}

function typed(value: unknown): string {
  return kindOf(value) === "nil" ? "<nil>" : `${typeName(value)}=${plain(value)}`;
}

const typeNames: Record<string, string> = {
  nil: "<nil>",
  list: "[]interface {}",
  map: "map[string]interface {}",
};

function typeName(value: unknown): string {
  const kind = kindOf(value);
  return typeNames[kind] ?? kind;
}
