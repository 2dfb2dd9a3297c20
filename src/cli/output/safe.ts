/** Makes text from images, registries and containers harmless to a terminal. */

/**
 * C0 and C1 controls and DEL drive terminals; bidirectional controls, line separators and zero-width characters make a
 * line read differently from what it is (Unicode TR 36, 3.2; UAX 9).
 */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]|\p{Cs}/gu;

/** "a\x1b[2Jb" -> "a\\x1b[2Jb": escapes are visible and cannot be mistaken for layout. Newlines and tabs included. */
export function safe(text: string): string {
  return plain.test(text) ? text : text.replace(unsafe, escapeCharacter);
}

/** What nearly every cell of a table is, found out in a tenth of the time. */
const plain = /^[ -~]*$/;
const plainLines = /^[ -~\n]*$/;

/** The same for text of several lines: newlines and tabs stay. */
export function safeLines(text: string): string {
  return text.replace(unsafe, (character) =>
    character === "\n" || character === "\t" ? character : escapeCharacter(character),
  );
}

/** JSON of the same value that cannot act on a terminal: JSON.stringify() leaves C1 and bidi as they are. */
export function safeJson(json: string): string {
  if (plainLines.test(json)) return json;
  return json.replace(unsafe, (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

const short: Record<string, string> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escapeCharacter(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code.toString(16);
  return (
    short[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex.padStart(4, "0")}`)
  );
}
