/** `tspod logout`. */
import { TspodError } from "../errors.ts";
import { loadLogin } from "../image/index.ts";
import { formatRegistryName, parseRegistryName } from "../oci/index.ts";
import { defineCommand } from "./command.ts";
import { boolean } from "./flags.ts";
import { registryFlags } from "./options/registry.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["logout"],
  usage: "[REGISTRY]",
  summary: "Log out of a registry",
  flags: {
    all: boolean("-a,--all", "Of every registry"),
    authfile: registryFlags.authfile,
  },
  args: { min: 0, max: 1, completes: "none" },
  refused: { "--compat-auth-file": "docker login writes docker's file, which is read here, too" },
  async run(context, { all, authfile }, [registry]) {
    if (all && registry !== undefined) {
      throw new TspodError("usage", `"--all" and "${registry}" exclude each other`, {
        next: "use one of them",
      });
    }
    const access = authfile === null ? {} : { authFile: authfile };
    const { logOut, logOutEverywhere } = await loadLogin();
    if (all) {
      await logOutEverywhere(context, access);
      await print("Removed login credentials for all registries\n");
      return 0;
    }
    const name = parseRegistryName(registry ?? "docker.io");
    await logOut(context, name, access);
    await print(`Removed login credentials for ${formatRegistryName(name)}\n`);
    return 0;
  },
});
