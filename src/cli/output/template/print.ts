/** Values -> text as Go's fmt prints them with %v, and Go's string escapes. Pure. */
import { Header, kindOf, mapEntries } from "./value.ts";

/** What an action prints: a missing value shows, a nil inside of a list is <nil>. */
export function printed(value: unknown): string {
  return kindOf(value) === "nil" ? "<no value>" : plain(value);
}

/** `%v` */
export function plain(value: unknown): string {
  if (value instanceof Header) return value.text;
  switch (kindOf(value)) {
    case "nil":
      return "<nil>";
    case "int":
      return BigInt(value as number | bigint).toString();
    case "float64":
      return formatFloat(value as number);
    case "list":
      return `[${(value as unknown[]).map(plain).join(" ")}]`;
    case "map":
      return `map[${mapEntries(value)
        .map(([key, item]) => `${key}:${plain(item)}`)
        .join(" ")}]`;
    case "method":
      return "<method>";
    default:
      return String(value);
  }
}

/** fmt.Sprint: a space between neighbours neither of which is text. */
export function sprint(values: unknown[]): string {
  return values.reduce<string>((text, value, index) => {
    const isText = typeof value === "string" || typeof values[index - 1] === "string";
    return text + (index > 0 && !isText ? " " : "") + plain(value);
  }, "");
}

/** Shortest digits; exponent form below 1e-4 and from 1e6 (strconv.FormatFloat 'g' with precision -1). */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const [digits = "", exponent = "0"] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(value);
  return `${digits}e${formatExponent(power)}`;
}

/** Go writes at least two digits: e+06. */
export function formatExponent(power: number): string {
  return `${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

const quoteEscapes: Record<string, string> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
};
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

/** strconv.Quote (and QuoteToASCII, QuoteRune with "'"). */
export function quote(text: string, options: { isAscii?: boolean; mark?: string } = {}): string {
  const { isAscii = false, mark = '"' } = options;
  const escaped = Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === mark) return `\\${mark}`;
    const short = quoteEscapes[character];
    if (short !== undefined) return short;
    if (printable.test(character) && !(isAscii && code > 0x7e)) return character;
    if (code < 0x80) return `\\x${code.toString(16).padStart(2, "0")}`;
    const isLong = code > 0xffff;
    return `\\${isLong ? "U" : "u"}${code.toString(16).padStart(isLong ? 8 : 4, "0")}`;
  });
  return mark + escaped.join("") + mark;
}
