/** `tspod image unmount`. */
import { TspodError } from "../../errors.ts";
import { getImage, loadMount } from "../../image/index.ts";
import { defineCommand } from "../command.ts";
import { forEachArgument } from "../each.ts";
import { boolean } from "../flags.ts";

export default defineCommand({
  path: ["image", "unmount"],
  usage: "IMAGE [IMAGE...]",
  summary: "Take away what image mount shows",
  flags: {
    all: boolean("-a,--all", "Every mounted image"),
    force: boolean("-f,--force", "For podman's scripts: what is in use goes when it no longer is"),
  },
  args: { min: 0, max: Infinity, completes: "image" },
  async run(context, { all }, args) {
    if (args.length === 0 && !all) {
      throw new TspodError("usage", '"tspod image unmount" needs an image', {
        next: "name one, or -a for all; tspod image mount lists them",
      });
    }
    const { listMounted, unmountImage } = await loadMount();
    const mounted = listMounted(context).map(({ id }) => id);
    return forEachArgument(context, all ? mounted : args, async (name) => {
      const next = "tspod image mount lists those that are mounted";
      const id = mounted.find((one) => one === name) ?? getImage(context, name, { next }).id;
      if (await unmountImage(context, id)) return id.replace(/^sha256:/, "");
      throw new TspodError("usage", `Cannot unmount image "${name}": it is not mounted`, {
        next,
      });
    });
  },
});
