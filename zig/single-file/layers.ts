/**
 * Keeps what every command begins with in few modules. Bun's splitting makes a chunk of what the same commands use, which
 * is right for what few of them use; but of what main.ts uses, each file is used by another set of commands: 37 modules of
 * 2 KB, half a millisecond more of each start than 7. So each command is made to use all that main.ts uses, by an export
 * that nobody reads.
 *
 * And what is built is the same each time: of a file that only passes on what others export, Bun makes what depends on the
 * order in which its threads happened to parse (its "barrel optimization", up to 1.4.5), so each has a word of its own.
 */
import { dirname, resolve } from "node:path";

const transpiler = new Bun.Transpiler({ loader: "ts" });

interface Graph {
  /** What main.ts loads before it knows the command. */
  base: Set<string>;
  /** What is loaded by import() and is not among those. */
  lazy: Set<string>;
}

async function readGraph(entry: string): Promise<Graph> {
  const base = new Set<string>();
  const lazy = new Set<string>();
  const seen = new Set<string>();
  const read = async (path: string, isBase: boolean): Promise<void> => {
    if (!path.endsWith(".ts") || (isBase ? base : seen).has(path)) return;
    (isBase ? base : seen).add(path);
    for (const { path: name, kind } of transpiler.scanImports(await Bun.file(path).text())) {
      if (!name.startsWith(".")) continue;
      const target = resolve(dirname(path), name);
      if (kind === "dynamic-import") lazy.add(target);
      await read(target, isBase && kind !== "dynamic-import");
    }
  };
  await read(entry, true);
  for (const path of base) lazy.delete(path);
  return { base, lazy };
}

/** main.ts's own imports, as exports under names that nobody has. */
async function reexports(entry: string): Promise<string> {
  const text = await Bun.file(entry).text();
  const lines = [...text.matchAll(/^import \{([^}]+)\} from "(\.[^"]+)";$/gm)];
  return lines
    .map(([, names = "", path = ""], i) => {
      const words = names.split(",").map((name) => name.trim());
      const all = words.filter((word) => word !== "" && !word.startsWith("type "));
      const list = all.map((word, j) => `${word} as base${i}_${j}`).join(",");
      return `export {${list}} from ${JSON.stringify(resolve(dirname(entry), path))};`;
    })
    .join("");
}

/** Of a file that passes on what others export: an export of its own, which nobody reads either. */
function ownWord(text: string): string {
  return /^export (\{|\*)/m.test(text) ? "\nexport const own = 0;" : "";
}

export function layers(entry: string): Bun.BunPlugin {
  return {
    name: "layers",
    async setup(build) {
      const { lazy } = await readGraph(entry);
      const addition = await reexports(entry);
      build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
        const text = await Bun.file(path).text();
        const more = lazy.has(path) ? addition : "";
        return { loader: "ts", contents: `${text}\n${more}${ownWord(text)}` };
      });
    },
  };
}
