/** Turns src/main.ts into an executable with Bun's compiler; `development.ts` and `release.ts` say for which Bun. */

import type { BuildInfo } from "../../src/version.ts";
import { root } from "./command.ts";
import { layers } from "./layers.ts";

export interface BundleOptions {
  info: BuildInfo;
  /** Default: src/main.ts. */
  entry?: string | undefined;
  outfile: string;
  /** Files that the program finds at /$bunfs/root/<their name>. */
  embed: string[];
  /** Which Bun to put it into. Default: the one that runs this. */
  bun?: { executable: string; target: Bun.Build.CompileTarget };
}

/**
 * `splitting` keeps each command's code apart until it is imported, `bytecode` saves parsing it. The program reads no
 * configuration of the directory it is run in, and can make no code out of strings (so no BUN_OPTIONS preloads any).
 */
export async function bundle(options: BundleOptions): Promise<void> {
  const entry = options.entry ?? `${root}src/main.ts`;
  const result = await Bun.build({
    entrypoints: [entry, ...options.embed],
    plugins: [layers(entry)],
    root,
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    splitting: true,
    throw: false,
    naming: { asset: "[name]" },
    define: { TSPOD_BUILD: JSON.stringify(options.info) },
    compile: {
      outfile: options.outfile,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      execArgv: ["--disallow-code-generation-from-strings=strict"],
      ...(options.bun && {
        executablePath: options.bun.executable,
        target: options.bun.target,
      }),
    },
  });
  if (!result.success) throw new Error(`Cannot bundle the program:\n${result.logs.join("\n")}`);
}
