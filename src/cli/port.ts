/** `tspod port`: where a container's ports are on the host. */
import { getContainer, getLatest, listContainers } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean } from "./flags.ts";
import { latestFlag, takeContainer } from "./options/selection.ts";

export default defineCommand({
  path: ["port"],
  usage: "CONTAINER [PORT[/PROTOCOL]]",
  summary: "Show where ports of a container are published on the host",
  flags: { all: boolean("-a,--all", "Of every running container"), latest: latestFlag },
  args: { min: 0, max: 2, completes: "container" },
  async run(context, flags, args) {
    if (flags.all) {
      if (args.length > 0 || flags.latest) {
        throw new TspodError("usage", "Cannot combine --all with a container", {
          next: "leave one of them away",
        });
      }
      listContainers(context);
      return 0; // nothing is published
    }
    const usage = "CONTAINER [PORT[/PROTOCOL]]";
    const asked = { latest: flags.latest, command: "tspod port", usage };
    const { name, rest } = takeContainer(args, asked);
    const [port] = rest;
    if (port !== undefined && !/^\d{1,5}(\/(tcp|udp|sctp))?$/.test(port)) {
      throw new TspodError("usage", `Invalid port "${port}"`, { next: "such as 80 or 53/udp" });
    }
    const container = name === null ? getLatest(context) : getContainer(context, name);
    if (port === undefined) return 0; // as docker: no ports, no lines
    const full = port.includes("/") ? port : `${port}/tcp`;
    throw new TspodError("usage", `Port ${full} of "${container.name}" is not published`, {
      next: "tspod ps shows which ports are",
    });
  },
});
