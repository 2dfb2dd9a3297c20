/** `tspod manifest inspect`: a list here, or whatever manifest a registry has. */
import { loadManifestList } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { accessFlags, insecureFlag } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { print } from "../output/print.ts";
import { safeJson } from "../output/safe.ts";

export default defineCommand({
  path: ["manifest", "inspect"],
  usage: "LIST|IMAGE",
  summary: "Show a manifest list, of here or of a registry",
  flags: {
    verbose: boolean("-v,--verbose", "For docker's scripts: changes nothing"),
    ...insecureFlag,
    ...accessFlags,
  },
  args: { min: 1, max: 1, completes: "image" },
  async run(context, flags, [name = ""]) {
    const { inspectList } = await loadManifestList();
    const text = await inspectList(context, name, await registryAccess(flags));
    await print(`${safeJson(JSON.stringify(JSON.parse(text), null, 4))}\n`);
    return 0;
  },
});
