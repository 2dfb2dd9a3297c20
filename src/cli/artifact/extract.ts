/** `tspod artifact extract`. */
import { TspodError } from "../../errors.ts";
import { loadArtifactExtractor } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { value } from "../flags.ts";

export default defineCommand({
  path: ["artifact", "extract"],
  usage: "NAME DIRECTORY|FILE",
  summary: "Write an artifact's files into a directory, or its only one to a file",
  flags: {
    digest: value("--digest", "DIGEST", "Only the file of that digest"),
    title: value("--title", "TITLE", "Only the file of that name"),
  },
  args: { min: 2, max: 2, completes: "none" },
  check({ digest, title }) {
    if (digest === null || title === null) return;
    throw new TspodError("usage", "Cannot combine --digest with --title", {
      next: "leave one of them away",
    });
  },
  async run(context, { digest, title }, [name = "", target = ""]) {
    const { extractArtifact } = await loadArtifactExtractor();
    extractArtifact(context, name, target, {
      ...(digest === null ? {} : { digest }),
      ...(title === null ? {} : { title }),
    });
    return 0;
  },
});
