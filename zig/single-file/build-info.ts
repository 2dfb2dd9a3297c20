/** What a build writes into the program about itself. Only facts that are the same when it is built again. */

import packageJson from "../../package.json";
import type { BuildInfo } from "../../src/version.ts";
import { run } from "./command.ts";
import { zig } from "./zig.ts";

export async function describeBuild(
  kind: BuildInfo["kind"],
  helperSha256: string,
): Promise<BuildInfo> {
  return {
    version: packageJson.version,
    ...(await describeCommit()),
    kind,
    bun: Bun.version,
    zig: (await zig("version")).trim(),
    helperSha256,
  };
}

async function describeCommit(): Promise<{ commit: string; date: string }> {
  try {
    const [commit = "", seconds] = (await run(["git", "log", "-1", "--format=%H %ct"])).split(" ");
    const isChanged = (await run(["git", "status", "--porcelain"])) !== "";
    const date = new Date(Number(seconds) * 1000).toISOString().replace(".000", "");
    return { commit: isChanged ? `${commit}+` : commit, date };
  } catch {
    return { commit: "unknown", date: "" }; // built from an archive, or where there is no git
  }
}
