/** html, js and urlquery of Go's text/template: text made safe for another language. Pure. */

const htmlEscapes: Record<string, string> = {
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\0": "\ufffd",
};

export function escapeHtml(text: string): string {
  return text.replace(/["'&<>\0]/g, (character) => htmlEscapes[character] ?? character);
}

const scriptSpecial = /[\\'"<>&=\x00-\x1f]|[^\x20-\x7f\p{L}\p{M}\p{N}\p{P}\p{S}]/gu;

/** For the inside of a quoted JavaScript string. */
export function escapeScript(text: string): string {
  return text.replace(scriptSpecial, (character) => {
    if (/[\\'"]/.test(character)) return `\\${character}`;
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).toUpperCase().padStart(4, "0")}`;
  });
}

/** application/x-www-form-urlencoded: space is +, only unreserved characters stay (RFC 3986, 2.3). */
export function escapeQuery(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll("%20", "+");
}
