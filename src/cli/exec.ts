/** `tspod exec`. */
import { execInContainer, getContainer, getLatest } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { forwardSignals, requireTerminal } from "./foreground.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";
import { resolveEnvironment } from "./options/environment.ts";
import { latestFlag, takeContainer } from "./options/selection.ts";
import { preservedDescriptors, preservedFlags, requirePreserved } from "./options/preserved.ts";

export default defineCommand({
  path: ["exec"],
  usage: "CONTAINER COMMAND [ARG...]",
  summary: "Run another command in a running container",
  examples: [["A shell in the container web", "tspod exec -it web sh"]],
  flags: {
    interactive: boolean("-i,--interactive", "Keep standard input open"),
    tty: boolean("-t,--tty", "Give the command a terminal"),
    detach: boolean("-d,--detach", "Do not wait for it"),
    env: list("-e,--env", "KEY[=VALUE]", "Set a variable; without a value it is taken from here"),
    envFile: list("--env-file", "FILE", "Read variables from a file", "file"),
    workdir: value("-w,--workdir", "DIRECTORY", "Working directory in the container"),
    user: value("-u,--user", "NAME|UID[:GROUP|GID]", "Run as this user of the image"),
    privileged: boolean("--privileged", "All capabilities of the container's user namespace"),
    detachKeys: value("--detach-keys", "KEYS", `Keys that leave it running (${defaultDetachKeys})`),
    ...preservedFlags,
    latest: latestFlag,
    cidfile: value("--cidfile", "FILE", "The container whose id is in a file", "file"),
  },
  args: { min: 0, max: Infinity, completes: "running", stopsAtFirst: true },
  check: (flags) => requirePreserved(flags),
  async run(context, flags, args) {
    const { name, rest: command } = takeContainer(args, {
      ...{ latest: flags.latest, cidfile: flags.cidfile },
      ...{ command: "tspod exec", usage: "CONTAINER COMMAND [ARG...]" },
    });
    if (command.length === 0) {
      throw new TspodError("usage", '"tspod exec" needs a command to run', {
        next: `for a shell: tspod exec -it ${name ?? "--latest"} sh`,
      });
    }
    if (flags.tty && flags.interactive && !flags.detach) await requireTerminal();
    const passed = preservedDescriptors(flags);
    const container = name === null ? getLatest(context) : getContainer(context, name);
    const helper = execInContainer(
      context,
      container,
      {
        command,
        environment: resolveEnvironment(flags.envFile, flags.env, context.environment),
        workdir: flags.workdir,
        user: flags.user,
        interactive: flags.interactive,
        tty: flags.tty,
        isPrivileged: flags.privileged,
        passed,
      },
      flags.detach
        ? null
        : {
            stdin: flags.interactive,
            detachKeys: parseDetachKeys(flags.detachKeys ?? defaultDetachKeys),
            sigProxy: true,
            passthrough: !flags.tty,
          },
    );
    if (!flags.detach) forwardSignals(helper);
    await helper.started;
    if (flags.detach) return 0;
    return (await helper.ended) ?? 0;
  },
});
