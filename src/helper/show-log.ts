/**
 * What a container has written, out of a large log file, by the helper (zig/src/show_log.zig): no byte of it comes through
 * this process.
 */
import { TspodError } from "../errors.ts";

export interface ShowLog {
  /** Argv prefix of native verbs. */
  readonly command: readonly string[];
  readonly signal: AbortSignal;
  readonly driver: "k8s-file" | "json-file";
  /** The log file, and from where. */
  readonly descriptor: number;
  readonly offset: number;
  /** Where stdout's bytes go, and stderr's. */
  readonly sinks: { readonly stdout: number; readonly stderr: number };
  readonly prefix: string;
  readonly hasTimes: boolean;
  /** As the log has times; null: no limit. */
  readonly since: string | null;
  readonly until: string | null;
  /** Of stdout and stderr: whether what comes next begins a line. */
  readonly isLineStart: readonly [boolean, boolean];
}

export interface ShownLog {
  /** Before it, all of it was written. */
  offset: number;
  /** There is a line that is later than `until`. */
  isPast: boolean;
  isLineStart: [boolean, boolean];
}

type Reply =
  ({ ok: true } & ShownLog) | { ok: false; call: string; errno: string; message: string };

/**
 * Up to what is there now, or to what only this process can make something of. Errors: that of write(2) with its `code`,
 * when nobody takes the bytes; the signal's reason.
 */
export async function showLog(wanted: ShowLog): Promise<ShownLog> {
  const { command, signal, driver, descriptor, offset, sinks, prefix, hasTimes } = wanted;
  const { since, until, isLineStart } = wanted;
  signal.throwIfAborted();
  const words = [
    ...["log", driver === "k8s-file" ? "k8s" : "json", String(offset)],
    ...[isLineStart.map(Number).join(""), prefix, hasTimes ? "1" : "0", since ?? "", until ?? ""],
  ];
  const child = Bun.spawn([...command, ...words], {
    stdio: ["ignore", "pipe", sinks.stderr, descriptor, sinks.stdout],
    env: {},
  });
  const kill = (): void => child.kill("SIGKILL");
  signal.addEventListener("abort", kill, { once: true });
  try {
    const answer = await child.stdout.text();
    await child.exited;
    signal.throwIfAborted();
    if (child.signalCode === "SIGPIPE") throw refused("EPIPE", "write: nobody reads any more");
    if (!answer.endsWith("\n")) throw lost(child.signalCode ?? child.exitCode);
    const reply = JSON.parse(answer) as Reply; // our own helper's
    if (!reply.ok) throw refused(reply.errno, `${reply.call}: ${reply.message} (${reply.errno})`);
    return reply;
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/** As a system call of our own would have failed. */
function refused(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function lost(status: string | number | null): TspodError {
  return new TspodError(
    "internal",
    `Cannot show the log: the helper ended without a word (${status})`,
    { next: "run the command again" },
  );
}
