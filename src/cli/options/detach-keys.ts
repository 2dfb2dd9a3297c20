/** The key sequence that leaves a container running (docker --detach-keys). Pure. */
import { TspodError } from "../../errors.ts";

export const defaultDetachKeys = "ctrl-p,ctrl-q";

/** "ctrl-p,ctrl-q" -> [16, 17]; "" -> []: detaching is off. Throws usage. */
export function parseDetachKeys(text: string): number[] {
  if (text === "") return [];
  return text.split(",").map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
    throw new TspodError("usage", `Invalid --detach-keys "${text}": "${key}" is no key`, {
      next: 'use single characters and ctrl-X, e.g. "ctrl-p,ctrl-q"',
    });
  });
}
