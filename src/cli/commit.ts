/** `tspod commit`: an image of what a container is now. */
import { getContainer, loadCommit } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { requireWritable, writeDigest } from "./output/digest-file.ts";
import { print } from "./output/print.ts";

const formats = ["oci", "docker"] as const;

export default defineCommand({
  path: ["commit"],
  usage: "CONTAINER [IMAGE]",
  summary: "Make an image of a container's changes",
  examples: [["With another command", `tspod commit -c 'CMD ["nginx"]' web web:mine`]],
  flags: {
    author: value("-a,--author", "NAME", "Who has made it"),
    change: list("-c,--change", "INSTRUCTION", "A Dockerfile instruction, e.g. 'ENV A=b'"),
    format: value("-f,--format", "FORMAT", "oci or docker: how its manifest is written", formats),
    includeVolumes: boolean(
      "-i,--include-volumes",
      "Its mounts of -v and --mount become volumes of the image; not what is in them",
    ),
    iidfile: value("--iidfile", "FILE", "Write the image's id to a file", "file"),
    message: value("-m,--message", "TEXT", "A comment for its history"),
    pause: {
      ...boolean("-p,--pause", "Let nothing in it go on meanwhile"),
      isOnByDefault: true,
    },
    noPause: boolean("--no-pause", "Let it go on, as --pause=false"),
    quiet: boolean("-q,--quiet", "Nothing but the id, as always"),
    squash: boolean("-s,--squash", "One layer instead of its image's and one more"),
  },
  args: { min: 1, max: 2, completes: "container" },
  async run(context, flags, [name = "", image]) {
    const format = formats.find((word) => word === (flags.format ?? "oci"));
    if (format === undefined) {
      throw new TspodError("usage", `Invalid --format "${flags.format}"`, {
        next: `use one of: ${formats.join(", ")}`,
      });
    }
    const { iidfile } = flags;
    if (iidfile !== null) requireWritable("--iidfile", iidfile);
    const { commitContainer } = await loadCommit();
    const id = await commitContainer(context, getContainer(context, name), {
      name: image ?? null,
      author: flags.author ?? "",
      message: flags.message ?? "",
      changes: flags.change,
      format,
      pauses: flags.pause && !flags.noPause,
      squashes: flags.squash,
      includesVolumes: flags.includeVolumes,
    });
    if (iidfile !== null) writeDigest(iidfile, id, "The image is made");
    await print(`${id.replace(/^sha256:/, "")}\n`);
    return 0;
  },
});
