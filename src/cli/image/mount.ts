/** `tspod image mount`. */
import { TspodError } from "../../errors.ts";
import {
  getImage,
  inspectImage,
  listImages,
  loadMount,
  type MountedImage,
} from "../../image/index.ts";
import { familiarReference, parseReference } from "../../oci/index.ts";
import { type CliContext, defineCommand } from "../command.ts";
import { boolean, value } from "../flags.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["image", "mount"],
  usage: "[IMAGE...]",
  summary: "Show an image's files in a directory, for reading; without one, what is mounted",
  examples: [
    [
      "Look into an image with the host's tools",
      "tspod unshare sh -c 'ls -l $(tspod image mount alpine)/etc'",
    ],
  ],
  flags: {
    all: boolean("-a,--all", "Every image"),
    format: value("--format", "FORMAT", "json", ["json"]),
  },
  args: { min: 0, max: Infinity, completes: "image" },
  check({ format }) {
    if (format === null || format === "json") return;
    throw new TspodError("usage", `Invalid --format "${format}"`, { next: "use json" });
  },
  async run(context, { all, format }, args) {
    const { mountImage, listMounted } = await loadMount();
    const names = all ? listImages(context).map(({ id }) => id) : args;
    const paths: string[] = [];
    for (const name of names) paths.push(await mountImage(context, getImage(context, name)));
    const [path, ...others] = paths;
    const isOne = path !== undefined && others.length === 0 && !all && format === null;
    if (isOne) await print(`${path}\n`);
    else await print(listed(context, listMounted(context), format));
    return 0;
  },
});

function listed(
  context: CliContext,
  mounted: readonly MountedImage[],
  format: string | null,
): string {
  if (format === null) {
    return mounted.map(({ id, path }) => `${nameOf(context, id)}\t${path}\n`).join("");
  }
  const rows = mounted.map(({ id, path }) => ({
    id: id.replace(/^sha256:/, ""),
    Repositories: namesOf(context, id),
    mountpoint: path,
  }));
  return `${JSON.stringify(rows, null, 4)}\n`;
}

/** Its id when it has none, or is gone. */
function nameOf(context: CliContext, id: string): string {
  const [name = ""] = namesOf(context, id);
  return name === "" ? id.replace(/^sha256:/, "").slice(0, 12) : name;
}

function namesOf(context: CliContext, id: string): string[] {
  try {
    return inspectImage(context, id).names.map(({ reference }) =>
      familiarReference(parseReference(reference)),
    );
  } catch {
    return []; // removed meanwhile: its layers are kept for who has them mounted
  }
}
