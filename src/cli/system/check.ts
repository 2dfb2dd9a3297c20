/** `tspod system check`. */
import {
  findNetworkFaults,
  mendNetworkFault,
  type NetworkFault,
} from "../../container/network-faults.ts";
import { type CheckedContent, type Fault, loadCheck, loadRepair } from "../../image/index.ts";
import { formatSize } from "../../lib/size.ts";
import { defineCommand } from "../command.ts";
import { printFailure } from "../failure.ts";
import { boolean } from "../flags.ts";
import { print } from "../output/print.ts";
import { showPullProgress } from "../output/pull-progress.ts";
import { safe } from "../output/safe.ts";

const old = "nothing is removed here because of its age";

export default defineCommand({
  path: ["system", "check"],
  usage: "",
  summary: "Verify what is kept of images and networks: 0 all is well, 1 something is wrong",
  examples: [["And mend what can be mended", "tspod system check --repair"]],
  flags: {
    quick: boolean("-q,--quick", "Sizes and presence, without reading what is in blobs"),
    repair: boolean(
      "-r,--repair",
      "Fetch, unpack and write again what is wrong, remove what is left over",
    ),
  },
  args: { min: 0, max: 0, completes: "none" },
  refused: {
    ...{ "--max": old, "-m": old },
    ...{ "--force": "no container is removed by this", "-f": "no container is removed by this" },
  },
  async run(context, flags) {
    const { checkContent } = await loadCheck();
    const checked = checkContent(context, { isQuick: flags.quick });
    const ofNetworks = findNetworkFaults(context);
    const count = checked.faults.length + ofNetworks.length;
    await print(summary(checked, count));
    if (!flags.repair) {
      const lines = [
        ...checked.faults.map((fault) => `${describe(fault)}; ${remedy(fault)}\n`),
        ...ofNetworks.map((fault) => `${describeNetwork(fault)}; --repair mends it\n`),
      ];
      await print(lines.join(""));
      return count === 0 ? 0 : 1;
    }
    for (const fault of ofNetworks) {
      mendNetworkFault(context, fault);
      await print(`${describeNetwork(fault)}: mended\n`);
    }
    showPullProgress(context, { quiet: true });
    const { repairFault } = await loadRepair();
    let left = 0;
    // blobs before layers, which are unpacked from them: that is the order they were found in
    for (const fault of checked.faults) {
      const failure = await repairFault(context, fault);
      await print(`${describe(fault)}${failure === undefined ? ": mended" : ""}\n`);
      if (failure === undefined) continue;
      printFailure(failure, context);
      left++;
    }
    return left === 0 ? 0 : 1;
  },
});

function describeNetwork(fault: NetworkFault): string {
  return fault.kind === "entries"
    ? `Container "${fault.container.name}" is prepared for other networks than it is on`
    : `${safe(fault.path)} belongs to no network`;
}

function summary({ images, blobs, blobBytes, layers }: CheckedContent, count: number): string {
  const found = count === 0 ? "all is well" : `${count} found wrong`;
  const size = formatSize(blobBytes);
  return `${images} images, ${blobs} blobs (${size}), ${layers} layers: ${found}\n`;
}

function describe(fault: Fault): string {
  switch (fault.kind) {
    case "blob":
      return `Blob ${fault.digest} of ${nameOf(fault)} is ${fault.state}`;
    case "layer":
      return `Layer ${fault.chainId} of ${nameOf(fault)} is missing`;
    case "mapped":
      return `Layer ${fault.chainId} for other ids (${fault.owners}) is missing`;
    case "artifact":
      return `Blob ${fault.digest} of artifact ${fault.name} is ${fault.state}`;
    case "list":
      return `Manifest list "${safe(fault.path)}" is damaged`;
    case "entry":
      return `Manifest list ${safe(fault.list)} has image ${fault.image}, which is not here`;
    case "stray":
      return `${fault.what === "blob" ? "Blob" : "Layer"} ${safe(fault.name)} belongs to no image`;
    case "index":
      return "index.json is not what the images are";
  }
}

/** What --repair is going to do. */
function remedy(fault: Fault): string {
  switch (fault.kind) {
    case "blob": {
      const { digest, image } = fault;
      if (digest === image.id || digest === image.manifestDigest) return "--repair writes it again";
      return image.names.some(({ reference }) => !reference.startsWith("localhost/"))
        ? "--repair fetches it again"
        : "no registry has it: load or build the image again";
    }
    case "layer":
      return "--repair unpacks it again";
    case "mapped":
      return "it is unpacked again when a container wants it";
    case "artifact":
      return fault.name.startsWith("localhost/")
        ? "no registry has it: tspod artifact add --replace makes it again"
        : "--repair fetches it again";
    case "list":
      return "remove the file: tspod manifest create makes it again";
    case "entry":
      return "pull or build the image again, or tspod manifest remove takes it out";
    case "stray":
      return "--repair removes it";
    case "index":
      return "--repair writes it again";
  }
}

const nameOf = ({ image }: Extract<Fault, { kind: "blob" | "layer" }>): string =>
  image.reference === "" ? image.id : image.reference;
