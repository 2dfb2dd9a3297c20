/** `tspod exec`. */
import { execInContainer, getContainer } from "../container/index.ts";
import { defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { forwardSignals, requireTerminal } from "./foreground.ts";
import { defaultDetachKeys, parseDetachKeys } from "./options/detach-keys.ts";
import { resolveEnvironment } from "./options/environment.ts";
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
  },
  args: { min: 2, max: Infinity, completes: "running", stopsAtFirst: true },
  check: (flags) => requirePreserved(flags),
  async run(context, flags, [name = "", ...command]) {
    if (flags.tty && flags.interactive && !flags.detach) await requireTerminal();
    const passed = preservedDescriptors(flags);
    const container = getContainer(context, name);
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
