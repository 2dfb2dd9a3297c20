/** One line of comma-separated values, as docker reads --mount and --secret (RFC 4180, Go's encoding/csv). Pure. */
import type { TspodError } from "../../errors.ts";

/** `a,"b,c",d` -> [a, b,c, d]; a quote inside quotes is doubled. `fail` makes the error. */
export function csvFields(text: string, fail: (why: string) => TspodError): string[] {
  const fields: string[] = [];
  for (let at = 0; at <= text.length;) {
    if (text[at] !== '"') {
      const comma = text.indexOf(",", at);
      const end = comma < 0 ? text.length : comma;
      const field = text.slice(at, end);
      if (field.includes('"')) throw fail(`a quote stands in the middle of "${field}"`);
      fields.push(field);
      at = end + 1;
      continue;
    }
    const [whole, quoted = ""] = /^"((?:[^"]|"")*)"(?=,|$)/.exec(text.slice(at)) ?? [];
    if (whole === undefined) throw fail("a quote is not closed");
    fields.push(quoted.replaceAll('""', '"'));
    at += whole.length + 1;
  }
  return fields.filter((field) => field !== "");
}
