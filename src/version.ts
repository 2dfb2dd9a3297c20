/** What this program is: version, commit and build. The build writes it in as one constant; sources have no build. */

import packageJson from "../package.json";

export interface BuildInfo {
  version: string;
  /** The full commit hash, with "+" behind it when the sources differed from it; "unknown" outside of git. */
  commit: string;
  /** When the commit was made, RFC 3339 in UTC: the date of a build would make every build different. */
  date: string;
  /** "source": run by Bun from the work tree; "dev": `npm run build`; "release": the one static file. */
  kind: "source" | "dev" | "release";
  bun: string;
  zig: string;
  /** SHA-256 of the embedded helper, in hexadecimal; "" where there is none. */
  helperSha256: string;
}

/** Replaced by the build (see zig/single-file/bundle.ts). */
declare const TSPOD_BUILD: BuildInfo;

const source: BuildInfo = {
  version: packageJson.version,
  commit: "unknown",
  date: "",
  kind: "source",
  bun: Bun.version,
  zig: "",
  helperSha256: "",
};

export const build: BuildInfo = typeof TSPOD_BUILD === "undefined" ? source : TSPOD_BUILD;
