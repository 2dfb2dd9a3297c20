/**
 * Started as root: make (or use) an ordinary user with subordinate ids and a runtime directory, copy the tree to their
 * home, and run the tests there as them. The caller's tree is only read.
 */
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { delegateCgroup, inCgroup } from "./delegated-cgroup.ts";
import { print } from "./steps.ts";

const defaultName = "tspod-test";
const subordinateIds = 65536;

/** Never copied: rebuilt there, or (node_modules) copied apart. */
const notCopied = ["node_modules", "dist", ".zig-cache", "zig-out"];

/** Run `npm test` again as the ordinary user; the result is its exit status. */
export async function continueAsOrdinaryUser(tree: string, files: string[]): Promise<number> {
  const user = await ensureUser(process.env.TSPOD_TEST_USER ?? defaultName);
  const copy = join(user.home, `tspod-${Bun.hash(tree).toString(36)}`); // trees do not meet
  print(`── as ${user.name} (uid ${user.uid}), in a copy of the tree: ${copy}`);
  await copyTree(tree, copy, user);
  const child = Bun.spawn(
    [
      ...inCgroup(delegateCgroup(user)),
      ...["setpriv", "--reuid", `${user.uid}`, "--regid", `${user.gid}`, "--init-groups"],
      ...["env", "-i", ...environmentFor(tree, user)],
      ...[Bun.which("npm") ?? "npm", "test", "--silent", "--", ...files],
    ],
    { cwd: copy, stdin: "ignore", stdout: "inherit", stderr: "inherit" },
  );
  return await child.exited;
}

interface User {
  name: string;
  uid: number;
  gid: number;
  home: string;
  runtimeDirectory: string;
}

async function ensureUser(name: string): Promise<User> {
  if ((await lookUp(name)) === undefined) {
    await must("useradd", "--create-home", "--user-group", "--shell", "/bin/sh", name);
  }
  const [uid = "", gid = "", home = ""] = (await lookUp(name)) ?? [];
  for (const [file, option] of [
    ["/etc/subuid", "--add-subuids"],
    ["/etc/subgid", "--add-subgids"],
  ] as const) {
    const lines = (await readLines(file)).map((line) => line.split(":"));
    if (lines.some(([owner]) => owner === name)) continue;
    const ends = lines.map(([, start, count]) => Number(start) + Number(count));
    const start = Math.max(100_000, ...ends.filter(Number.isSafeInteger));
    await must("usermod", option, `${start}-${start + subordinateIds - 1}`, name);
  }
  const runtimeDirectory = `/run/user/${uid}`;
  if (!existsSync(runtimeDirectory)) {
    mkdirSync(runtimeDirectory, { recursive: true });
    chownSync(runtimeDirectory, Number(uid), Number(gid));
    chmodSync(runtimeDirectory, 0o700);
  }
  return { name, uid: Number(uid), gid: Number(gid), home, runtimeDirectory };
}

/** passwd(5): uid, gid and home, or undefined. */
async function lookUp(name: string): Promise<string[] | undefined> {
  const line = (await readLines("/etc/passwd")).find((entry) => entry.startsWith(`${name}:`));
  const fields = line?.split(":");
  return fields && [fields[2] ?? "", fields[3] ?? "", fields[5] ?? ""];
}

async function readLines(file: string): Promise<string[]> {
  return existsSync(file) ? (await Bun.file(file).text()).split("\n") : [];
}

/** What an earlier run built in the copy stays, so that a second run is quick; everything else is replaced. */
async function copyTree(tree: string, copy: string, user: User): Promise<void> {
  const keep = notCopied.map((name) => `! -name ${name}`).join(" ");
  const isWorktree = lstatSync(join(tree, ".git"), { throwIfNoEntry: false })?.isFile() ?? false;
  const exclude = [...notCopied, ...(isWorktree ? ["./.git"] : [])];
  const script = `
    mkdir -p "$2"
    find "$2" -mindepth 1 -maxdepth 1 ${keep} -exec rm -rf {} +
    tar -C "$1" ${exclude.map((name) => `--exclude=${name}`).join(" ")} -cf - . | tar -C "$2" -xf -
    if ! cmp -s "$3/.package-lock.json" "$2/node_modules/.package-lock.json"; then
      rm -rf "$2/node_modules"
      cp -a --reflink=auto "$3" "$2/node_modules"
    fi
    chown -R "$4" "$2"`;
  const modules = realpathSync(join(tree, "node_modules"));
  await must("sh", "-euc", script, "copy-tree", tree, copy, modules, `${user.uid}:${user.gid}`);
}

function environmentFor(tree: string, user: User): string[] {
  const path = [dirname(Bun.which("node") ?? "/usr/bin/node"), "/usr/local/bin:/usr/bin:/bin"];
  const images = join(dirname(tree), "shared/images");
  const variables: Record<string, string | undefined> = {
    HOME: user.home,
    USER: user.name,
    XDG_RUNTIME_DIR: user.runtimeDirectory,
    PATH: `${path.join(":")}:/usr/sbin:/sbin`,
    LANG: "C.UTF-8",
    TERM: process.env.TERM ?? "dumb",
    CI: process.env.CI,
    TSPOD_BIN: process.env.TSPOD_BIN,
    TSPOD_VM: process.env.TSPOD_VM,
    TSPOD_TEST_IMAGES: existsSync(images) ? images : undefined,
  };
  return Object.entries(variables).flatMap(([name, value]) => (value ? [`${name}=${value}`] : []));
}

async function must(...command: string[]): Promise<void> {
  const child = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
  if ((await child.exited) !== 0) throw new Error(`Cannot run ${command.slice(0, 3).join(" ")}`);
}
