/** The project's own files, for the tests that read them. Knows nothing of what must be true of them. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

export const treeRoot = resolve(import.meta.dir, "../..");

const notOurs = /(^|\/)(node_modules|dist|\.git|\.zig-cache|zig-out)(\/|$)/;

/** Paths relative to the root of the tree, sorted; `pattern` is a glob. */
export function projectFiles(pattern: string): string[] {
  const found = new Bun.Glob(pattern).scanSync({ cwd: treeRoot, dot: true, onlyFiles: true });
  return [...found].filter((path) => !notOurs.test(path)).sort();
}

export function readProjectFile(path: string): string {
  return readFileSync(join(treeRoot, path), "utf8");
}

/** The text with comments and the contents of strings blanked, line numbers kept: what is left is code. */
export function codeOf(text: string): string {
  const blank = (match: string): string => match.replace(/[^\n]/g, " ");
  return text.replace(
    /\/\*[\s\S]*?\*\/|(?<![:\\"'`])\/\/.*$|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/gm,
    blank,
  );
}
