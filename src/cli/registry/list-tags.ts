/** `tspod registry list-tags`: what skopeo list-tags, oras repo tags and crane ls do. */
import { TspodError } from "../../errors.ts";
import { loadSearch } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { accessFlags } from "../options/registry.ts";
import { registryAccess } from "../options/registry-values.ts";
import { print } from "../output/print.ts";
import { safeJson } from "../output/safe.ts";

export default defineCommand({
  path: ["registry", "list-tags"],
  usage: "REPOSITORY",
  summary: "List the tags that a repository has in its registry",
  flags: {
    format: value("--format", "FORMAT", "json: an object, as skopeo writes it", ["json"]),
    ...accessFlags,
  },
  args: { min: 1, max: 1, completes: "none" },
  check({ format }) {
    if (format === null || format === "json") return;
    throw new TspodError("usage", `Invalid --format "${format}"`, { next: "use json" });
  },
  async run(context, flags, [text = ""]) {
    const { searchTags } = await loadSearch();
    const access = await registryAccess(flags);
    const repository = text.replace(/^docker:\/\//, "");
    const { name, tags } = await searchTags(context, repository, { access, limit: Infinity });
    const object = { Repository: name, Tags: tags };
    const lines = tags.map((tag) => `${tag}\n`).join("");
    const isJson = flags.format === "json";
    await print(isJson ? `${safeJson(JSON.stringify(object, null, 4))}\n` : lines);
    return 0;
  },
});
