/**
 * A booted machine with systemd, for what no container and no chroot can show: TSPOD_VM names a program that starts
 * one, runs a script in it and ends with the script's output and status. It is called as
 *
 *     PROGRAM [-f FILE]... -s SESSION [-F FLAVOUR[,FLAVOUR]...] SCRIPT
 *
 * FILE lies in $IN then; SESSION is login (in a session of logind, as after ssh), bare (neither session nor
 * XDG_RUNTIME_DIR, as in cron) or root; a FLAVOUR takes something away from it, or is "cmdline=TEXT", more of the kernel's
 * command line.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program, type Requirement, testWith } from "../support/requirements.ts";
import { tspodFile } from "../support/world.ts";
import { makeFiles } from "./files.ts";
import { prelude } from "./prelude.ts";

const machineProgram = process.env.TSPOD_VM;

const hasMachine: Requirement = () =>
  machineProgram ? undefined : "no TSPOD_VM, which boots a machine with systemd";

/** A boot, and every command in it, under an emulator that shares its processors with others. */
export const machineTimeoutMs = 600_000;

const anyTest = testWith(hasMachine, program("busybox", "busybox-static"));

/** The first one of a machine waits for all that is done in it. */
export const machineTest = (name: string, body: () => Promise<void>): void => {
  anyTest(name, body, machineTimeoutMs);
};

export interface Machine {
  /** user: a service of the user's own systemd. */
  session: "login" | "user" | "bare" | "root";
  flavours?: string[];
  /** In sh, after prelude.ts. */
  script: string;
}

export interface Answer {
  status: number;
  /** Standard output and standard error. */
  output: string;
}

/** Starts the machine when the first answer is asked for. */
export function machine(wanted: Machine): (name: string) => Promise<Answer> {
  let answers: Promise<Map<string, Answer>> | undefined;
  return async (name) => {
    answers ??= boot(wanted);
    const answer = (await answers).get(name);
    if (answer === undefined) throw new Error(`The script says nothing of "${name}"`);
    return answer;
  };
}

async function boot({ session, flavours = [], script }: Machine): Promise<Map<string, Answer>> {
  const base = mkdtempSync(join(tmpdir(), "tspod-machine-"));
  using _removed = { [Symbol.dispose]: () => rmSync(base, { recursive: true, force: true }) };
  const file = join(base, "script");
  const first = session === "user" ? asService : "";
  writeFileSync(file, `#!/bin/sh\n${first}${prelude}${script}\n`, { mode: 0o755 });
  cpSync(tspodFile, join(base, "tspod"), { dereference: true });
  const files = await makeFiles(base);
  const words = [...files, join(base, "tspod")].flatMap((path) => ["-f", path]);
  if (flavours.length > 0) words.push("-F", flavours.join(","));
  const from = session === "user" ? "login" : session;
  const child = Bun.spawn([machineProgram ?? "", ...words, "-s", from, file], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`The machine failed:\n${stderr}${stdout}`);
  return new Map(stdout.split(recordEnd).slice(0, -1).map(parseRecord));
}

/** The script asks for it itself: systemd 247 lets nobody else. */
const asService = `
[ "$1" = inside ] || exec systemd-run --user --quiet --pipe --wait -E IN="$IN" "$0" inside
`;

const [fieldEnd, recordEnd] = ["\x1f", "\x1e"];

function parseRecord(record: string): [string, Answer] {
  const [name = "", status = "", output = ""] = record.split(fieldEnd);
  return [name, { status: Number(status), output }];
}
