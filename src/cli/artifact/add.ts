/** `tspod artifact add`. */
import { TspodError } from "../../errors.ts";
import { loadArtifactAdder } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";
import { parseLabels } from "../options/labels.ts";
import { print } from "../output/print.ts";

const flags = {
  annotation: list("--annotation", "KEY=VALUE", "Say something of each file"),
  append: boolean("-a,--append", "Add to an artifact that is there"),
  fileType: value("--file-type", "TYPE", "The files' media type, instead of what they look like"),
  replace: boolean("--replace", "Instead of an artifact of that name"),
  type: value("--type", "TYPE", "What kind of artifact it is: a media type"),
} as const;

export default defineCommand({
  path: ["artifact", "add"],
  usage: "NAME FILE [FILE...]",
  summary: "Make an artifact of files, to be pushed to a registry",
  examples: [
    [
      "A model with its card",
      "tspod artifact add --type application/vnd.example.model quay.io/me/model:1 weights.bin card.md",
    ],
  ],
  flags,
  args: { min: 2, max: Infinity, completes: "none" },
  check: (given) => void howOf(given),
  async run(context, given, [name = "", ...files]) {
    const { addArtifact } = await loadArtifactAdder();
    const { type, fileType, annotation } = given;
    const digest = await addArtifact(context, name, files, {
      ...{ artifactType: type ?? "", fileType: fileType ?? "", how: howOf(given) },
      annotations: parseLabels(annotation),
    });
    await print(`${digest.replace("sha256:", "")}\n`);
    return 0;
  },
});

function howOf({ append, replace, type, fileType }: FlagValues<typeof flags>) {
  for (const [flag, text] of [
    ["--type", type],
    ["--file-type", fileType],
  ] as const) {
    if (text === null || /^[\w.+-]+\/[\w.+-]+(;.*)?$/.test(text)) continue;
    throw new TspodError("usage", `Invalid ${flag} "${text}"`, {
      next: "write a media type, as in application/vnd.example.thing.v1",
    });
  }
  const other = replace ? "--replace" : type !== null ? "--type" : undefined;
  if (append && other !== undefined) {
    throw new TspodError("usage", `Cannot combine --append with ${other}`, {
      next: "leave one of them away",
    });
  }
  return append ? "append" : replace ? "replace" : "new";
}
