/** `tspod save`: images as an archive or a directory that other tools read. */
import { TspodError } from "../errors.ts";
import { loadSaver } from "../image/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { descriptorSink } from "./output/sink.ts";
import { isTerminal } from "./output/terminal.ts";
import { toDirectory, toFile } from "./output/to-file.ts";

const formats = ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] as const;
const stdout = 1;

export default defineCommand({
  path: ["save"],
  usage: "IMAGE [IMAGE...]",
  summary: "Write images as an archive that docker, podman and skopeo read",
  examples: [
    ["To another machine", "tspod save web | ssh host tspod load"],
    ["As an OCI archive", "tspod save --format oci-archive -o web.tar web"],
  ],
  flags: {
    output: value("-o,--output", "PATH", "Write to a file, not to standard output", "file"),
    format: value("--format", "FORMAT", "What to write (default docker-archive)", formats),
    multi: boolean("-m,--multi-image-archive", "Accepted: several images are always welcome"),
    quiet: boolean("-q,--quiet", "Accepted: nothing is said anyway"),
    compress: boolean("--compress", "Into a directory, compress layers that are kept plain"),
    uncompressed: boolean("--uncompressed", "Accepted: OCI layers are saved as they were pulled"),
  },
  args: { min: 1, max: Infinity, completes: "image" },
  refused: { "--platform": "each image here is for one platform, which its name or id says" },
  check({ compress, format }) {
    if (!compress || format === "docker-dir" || format === "oci-dir") return;
    throw new TspodError("usage", "--compress is about directories: archives have their own ways", {
      next: "use --format docker-dir or oci-dir, or leave it away",
    });
  },
  async run(context, flags, args) {
    const { saveArchive, saveDirectory } = await loadSaver();
    const format = formats.find((each) => each === (flags.format ?? "docker-archive"));
    if (format === undefined) {
      throw new TspodError("usage", `Invalid --format "${flags.format}"`, {
        next: `use one of: ${formats.join(", ")}`,
      });
    }
    if (format === "oci-dir" || format === "docker-dir") {
      if (flags.output === null) {
        throw new TspodError("usage", `--format ${format} writes a directory: it needs a name`, {
          next: `tspod save --format ${format} -o DIRECTORY ${args.join(" ")}`,
        });
      }
      await toDirectory(flags.output, (path) =>
        saveDirectory(context, args, format, {
          directory: path,
          isCompressed: flags.compress,
        }),
      );
      return 0;
    }
    const work = (descriptor: number): Promise<void> =>
      saveArchive(context, args, format, descriptorSink(descriptor));
    if (flags.output !== null) {
      await toFile(flags.output, work);
      return 0;
    }
    if (isTerminal(stdout)) {
      throw new TspodError("usage", "An archive is nothing for a terminal", {
        next: `write it to a file: tspod save -o FILE ${args.join(" ")}`,
      });
    }
    await work(stdout);
    return 0;
  },
});
