/** `tspod port`: where a container's ports are on the host; `add` and `rm` change that, also while it runs. */
import {
  type Container,
  getContainer,
  getLatest,
  isUp,
  listContainers,
  portsOf,
} from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { distinctPorts, formatAddress, parsePublish, portMap } from "../network/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean } from "./flags.ts";
import { latestFlag, takeContainer } from "./options/selection.ts";
import { print } from "./output/print.ts";

const usage = "CONTAINER [PORT[/PROTOCOL]], or add|rm CONTAINER SPEC...";

export default defineCommand({
  path: ["port"],
  usage,
  summary: "Show where ports of a container are published on the host, add some or take some away",
  examples: [
    ["Where port 80 is", "tspod port web 80"],
    ["One more, while it runs", "tspod port add web 8443:443"],
    ["And away again", "tspod port rm web 8443:443"],
  ],
  flags: { all: boolean("-a,--all", "Of every running container"), latest: latestFlag },
  args: { min: 0, max: Infinity, completes: "container" },
  async run(context, flags, args) {
    const [verb, name, ...specs] = args;
    const isChange = (verb === "add" || verb === "rm") && specs.length > 0;
    if (isChange && !flags.all && !flags.latest) {
      return changePorts(context, verb, name ?? "", specs);
    }
    if (flags.all) {
      if (args.length > 0 || flags.latest) {
        throw new TspodError("usage", "Cannot combine --all with a container", {
          next: "leave one of them away",
        });
      }
      return showAll(context);
    }
    return showOne(context, flags, args);
  },
});

async function changePorts(
  context: CliContext,
  verb: "add" | "rm",
  name: string,
  specs: readonly string[],
): Promise<number> {
  const ports = distinctPorts(specs.map((text) => parsePublish(text, "port")));
  const container = getContainer(context, name);
  const { addPorts, removePorts } = await import("../container/ports.ts");
  const change = verb === "add" ? addPorts : removePorts;
  await print(lines(await change(context, container, ports)));
  return 0;
}

async function showAll(context: CliContext): Promise<number> {
  const running = listContainers(context).filter(({ state }) => isUp(state));
  const text = running.flatMap((container) =>
    lines(portsOf(container))
      .split("\n")
      .filter(Boolean)
      .map((line) => `${container.id.slice(0, shortIdLength)}\t${line}\n`),
  );
  await print(text.join(""));
  return 0;
}

const shortIdLength = 12;

async function showOne(
  context: CliContext,
  flags: { latest: boolean },
  args: readonly string[],
): Promise<number> {
  const asked = { latest: flags.latest, command: "tspod port", usage };
  const { name, rest } = takeContainer(args, asked);
  const [port, extra] = rest;
  if (extra !== undefined) {
    throw new TspodError(
      "usage",
      `"tspod port" needs a container and a port: "${extra}" is one too many`,
      {
        next: "leave it away; tspod port add and tspod port rm take several",
      },
    );
  }
  if (port !== undefined && !/^\d{1,5}(\/(tcp|udp|sctp))?$/.test(port)) {
    throw new TspodError("usage", `Invalid port "${port}"`, { next: "such as 80 or 53/udp" });
  }
  const container = name === null ? getLatest(context) : getContainer(context, name);
  if (port === undefined) {
    await print(lines(portsOf(container))); // as docker: no ports, no lines
    return 0;
  }
  const found = bindingsOf(container, port.includes("/") ? port : `${port}/tcp`);
  await print(found.map((line) => `${line}\n`).join(""));
  return 0;
}

function bindingsOf(container: Container, port: string): string[] {
  const [number = "", protocol = ""] = port.split("/");
  const key = `${Number(number)}/${protocol}`;
  const bindings = portMap(portsOf(container))[key];
  if (bindings)
    return bindings.map(({ HostIp, HostPort }) => `${formatAddress(HostIp)}:${HostPort}`);
  throw new TspodError(
    "port.not_published",
    `Port ${port} of "${container.name}" is not published`,
    {
      next: `tspod port add ${container.name} HOSTPORT:${number}${protocol === "tcp" ? "" : `/${protocol}`} publishes it`,
    },
  );
}

/** docker's lines: "80/tcp -> 0.0.0.0:8080". */
function lines(ports: Parameters<typeof portMap>[0]): string {
  return Object.entries(portMap(ports))
    .flatMap(([port, bindings]) =>
      (bindings ?? []).map(
        ({ HostIp, HostPort }) => `${port} -> ${formatAddress(HostIp)}:${HostPort}\n`,
      ),
    )
    .join("");
}
