/** `tspod artifact inspect`. */
import { loadArtifacts } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";
import { formatObject } from "../output/objects.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["artifact", "inspect"],
  usage: "NAME",
  summary: "Show an artifact's manifest",
  flags: { format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]) },
  args: { min: 1, max: 1, completes: "none" },
  async run(context, { format }, [text = ""]) {
    const { getArtifact } = await loadArtifacts();
    const { name, digest, manifest, artifact } = getArtifact(context, text);
    const object = {
      Manifest: JSON.parse(manifest) as object, // parsed before, on its way in
      Name: name,
      Digest: digest,
      TotalSizeBytes: artifact.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    };
    await print(await formatObject(format ?? "json", object));
    return 0;
  },
});
