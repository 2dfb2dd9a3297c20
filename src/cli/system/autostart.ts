/** `tspod system autostart`. */
import { resolve } from "node:path";
import { userInfo } from "node:os";
import { type AutostartHost, loadAutostart } from "../../container/index.ts";
import { storeRoot } from "../../store/paths.ts";
import { defineCommand } from "../command.ts";
import { boolean } from "../flags.ts";
import { print } from "../output/print.ts";

export default defineCommand({
  path: ["system", "autostart"],
  usage: "",
  summary: "Have containers that should run (--restart) started after a reboot",
  flags: { remove: boolean("--remove", "Take away what was written") },
  args: { min: 0, max: 0, completes: "none" },
  usesStore: false,
  async run(context, flags) {
    const { installAutostart, isSystemdHost, lingers, removeAutostart } = await loadAutostart();
    const host: AutostartHost = {
      environment: { ...context.environment, TSPOD_ROOT: storeRoot(context.environment) },
      program: ownProgram(context.environment.PATH),
      hasSystemd: isSystemdHost(),
      isRoot: process.geteuid?.() === 0,
    };
    const { changed, kind } = await (flags.remove ? removeAutostart(host) : installAutostart(host));
    if (changed.length === 0) await print("Nothing to do\n");
    const verb = flags.remove ? "Removed" : "Wrote";
    for (const what of changed) await print(`${verb} ${what}\n`);
    if (!flags.remove && kind === "systemd" && !host.isRoot) {
      const { username } = userInfo();
      if (!lingers(username)) await print(lingerHint(username));
    }
    return 0;
  },
});

/** As it was called: a link that an update moves on stays good. */
function ownProgram(path: string | undefined): string {
  const found = Bun.which(process.argv0, { PATH: path ?? "" });
  return found === null ? process.execPath : resolve(found);
}

const lingerHint = (username: string): string =>
  `It takes effect when you log in. To have it at boot: sudo loginctl enable-linger ${username}\n`;
