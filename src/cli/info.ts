/** `tspod info`: this host, and what a container gets on it. */
import { release } from "node:os";
import { isUp, listContainers } from "../container/index.ts";
import { hostCgroup, listRuntimes } from "../host/index.ts";
import { listImages } from "../image/index.ts";
import { build } from "../version.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { value } from "./flags.ts";
import { formatObject } from "./output/objects.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["info"],
  usage: "",
  summary: "Show what this host offers to containers",
  flags: { format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]) },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const containers = listContainers(context);
    const running = containers.filter(({ state }) => isUp(state)).length;
    const imageCount = listImages(context).length;
    const driver = describeRootfs(context);
    const { mapping, paths } = context;
    const ids = (map: readonly { size: number }[]): number =>
      map.reduce((sum, { size }) => sum + size, 0);
    const cgroup = hostCgroup(context.environment);
    const facts = {
      Version: build.version,
      Kernel: release(),
      Arch: process.arch,
      RootFs: driver,
      Uids: ids(mapping.uid),
      Gids: ids(mapping.gid),
      CgroupManager: cgroup.manager,
      CgroupVersion: cgroup.version,
      CgroupControllers: cgroup.controllers.join(" "),
      Runtimes: listRuntimes(context.environment.PATH).join(" "),
      Store: paths.data,
      RuntimeDirectory: paths.runtime,
      Containers: containers.length,
      ContainersRunning: running,
      Images: imageCount,
    };
    if (flags.format !== null) {
      const { hostInformation } = await import("./output/host-information.ts");
      const { docker, podman } = hostInformation(context, { containers, imageCount, driver });
      const { withGoNames } = await import("./output/go-names.ts");
      const rest = { ...facts, ...docker };
      await print(await formatObject(flags.format, withGoNames(podman, rest)));
    } else {
      const width = Math.max(...Object.keys(facts).map((key) => key.length)) + 1;
      const lines = Object.entries(facts).map(
        ([key, text]) => `${`${key}:`.padEnd(width)} ${text}\n`,
      );
      await print(lines.join(""));
    }
    return 0;
  },
});

/** A host that cannot run containers still has something to tell. */
function describeRootfs(context: CliContext): string {
  try {
    return typeof context.rootfs === "string" ? context.rootfs : "fuse-overlayfs";
  } catch (error) {
    if (error instanceof TspodError) return `none (${error.message})`;
    throw error;
  }
}
