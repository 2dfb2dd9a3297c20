/** -l KEY=VALUE. */
import { TspodError } from "../../errors.ts";

/** A label without a value is empty, as docker has it. */
export function parseLabels(texts: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of texts) {
    const equals = text.indexOf("=");
    const key = equals < 0 ? text : text.slice(0, equals);
    if (key === "") {
      throw new TspodError("usage", `Invalid label "${text}": it has no name`, {
        next: "use -l KEY=VALUE",
      });
    }
    Object.defineProperty(labels, key, {
      value: equals < 0 ? "" : text.slice(equals + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return labels;
}
