/**
 * Has `tspod start --all-restartable` run after every boot: by a unit of the user's systemd, or by cron where there is no
 * systemd. It is the only thing of tspod's that lies outside its own directories, and `removeAutostart` takes it away.
 */
import { existsSync, lstatSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { TspodError } from "../errors.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";

export interface AutostartHost {
  environment: Record<string, string | undefined>;
  /** This program's file, absolute. */
  program: string;
  hasSystemd: boolean;
  /** Root's containers are the system's. */
  isRoot: boolean;
}

export interface Autostart {
  /** What was written or taken away: files, or a line of the crontab. Empty: there was nothing to do. */
  changed: string[];
  kind: "systemd" | "cron";
}

const unitName = "tspod-restart.service";
const cronMark = "# tspod autostart";

/** Where the store is, when it is not at its usual place. */
const carried = ["TSPOD_ROOT", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"];

/** Idempotent. Errors: autostart.unavailable. */
export async function installAutostart(host: AutostartHost): Promise<Autostart> {
  if (!host.hasSystemd) return installCron(host);
  const { unit, link } = unitPaths(host);
  mkdirSync(dirname(link), { recursive: true });
  writeFileAtomic(unit, unitText(host), { mode: 0o644 });
  // what `systemctl enable` does, which needs a session bus that a login by su has not
  rmSync(link, { force: true });
  symlinkSync(unit, link);
  return { changed: [unit, link], kind: "systemd" };
}

/** Both kinds: the host may have changed since. */
export async function removeAutostart(host: AutostartHost): Promise<Autostart> {
  const { unit, link } = unitPaths(host);
  const files = [link, unit].filter((path) => isThere(path));
  for (const path of files) rmSync(path, { force: true });
  const lines = Bun.which("crontab", { PATH: host.environment.PATH ?? "" }) ? removeCron() : [];
  return { changed: [...files, ...lines], kind: host.hasSystemd ? "systemd" : "cron" };
}

const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

function unitPaths({ environment, isRoot }: AutostartHost): { unit: string; link: string } {
  const config = environment.XDG_CONFIG_HOME ?? join(environment.HOME ?? "/", ".config");
  const directory = isRoot ? "/etc/systemd/system" : join(config, "systemd/user");
  const target = isRoot ? "multi-user.target.wants" : "default.target.wants";
  return { unit: join(directory, unitName), link: join(directory, target, unitName) };
}

/** Its containers have scopes of their own: the unit's end is not theirs. */
export function unitText({ environment, program, isRoot }: AutostartHost): string {
  const variables = carried
    .flatMap((name) => (environment[name] === undefined ? [] : [`${name}=${environment[name]}`]))
    .map((text) => `Environment=${quoteForUnit(text)}\n`);
  return `# Written by tspod system autostart; tspod system autostart --remove takes it away.
[Unit]
Description=tspod: start the containers that should run
${isRoot ? "After=network-online.target\nWants=network-online.target\n" : ""}
[Service]
Type=oneshot
RemainAfterExit=yes
KillMode=process
${variables.join("")}ExecStart=${quoteForUnit(program).replaceAll("$", "$$$$")} start --all-restartable

[Install]
WantedBy=${isRoot ? "multi-user.target" : "default.target"}
`;
}

/** systemd.service(5), "Command lines"; systemd.unit(5), "Specifiers". */
function quoteForUnit(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%").replaceAll("\n", "\\n")}"`;
}

function installCron(host: AutostartHost): Autostart {
  if (!Bun.which("crontab", { PATH: host.environment.PATH ?? "" })) {
    throw new TspodError("autostart.unavailable", "This host has neither systemd nor crontab", {
      next: 'have your init system run "tspod start --all-restartable" as you',
    });
  }
  const line = cronLine(host);
  const lines = readCrontab();
  if (lines.includes(line)) return { changed: [], kind: "cron" };
  writeCrontab([...lines.filter((other) => !other.endsWith(cronMark)), line]);
  return { changed: [line], kind: "cron" };
}

/** cron starts without a login: where the runtime directory is, is said there too. */
export function cronLine({ environment, program }: Pick<AutostartHost, "environment" | "program">) {
  const variables = [...carried, "XDG_RUNTIME_DIR"].flatMap((name) =>
    environment[name] === undefined ? [] : [`${name}=${quoteForShell(environment[name])}`],
  );
  const words = [...variables, quoteForShell(program), "start", "--all-restartable"];
  return `@reboot ${words.join(" ").replaceAll("%", "\\%")} ${cronMark}`; // crontab(5): % is a newline
}

const quoteForShell = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

function removeCron(): string[] {
  const lines = readCrontab();
  const ours = lines.filter((line) => line.endsWith(cronMark));
  if (ours.length > 0) writeCrontab(lines.filter((line) => !line.endsWith(cronMark)));
  return ours;
}

/** A user without one has an empty one. */
function readCrontab(): string[] {
  const { stdout, exitCode } = Bun.spawnSync(["crontab", "-l"], { stderr: "ignore" });
  if (exitCode !== 0) return [];
  return stdout.toString().split("\n").slice(0, -1);
}

function writeCrontab(lines: readonly string[]): void {
  const text = lines.map((line) => `${line}\n`).join("");
  const { exitCode, stderr } = Bun.spawnSync(["crontab", "-"], { stdin: Buffer.from(text) });
  if (exitCode === 0) return;
  throw new TspodError(
    "autostart.unavailable",
    `crontab refused the line: ${stderr.toString().trim()}`,
    { next: 'have your init system run "tspod start --all-restartable" as you' },
  );
}

/** sd_booted(3). */
export const isSystemdHost = (): boolean => existsSync("/run/systemd/system");

/** Whether the user's systemd runs without a login: then boot is enough (loginctl(1), enable-linger). */
export const lingers = (user: string): boolean => existsSync(`/var/lib/systemd/linger/${user}`);
