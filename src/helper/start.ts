/**
 * Starts a native verb that answers with events (run, exec, attach) and turns its failures into sentences. The layer
 * verbs, which answer on stdout, are in layer.ts.
 */
import { closeSync, openSync } from "node:fs";
import { TspodError } from "../errors.ts";
import type { HelperEvent } from "./contract.ts";
import { describeFailure } from "./failure.ts";

export interface RunningHelper {
  /** Resolves at `started`; throws what `failed` says. `detached` helpers have then left our process tree. */
  started: Promise<{ pid: number }>;
  /** Resolves when the client is done: the container's exit code, or null after the detach keys. */
  ended: Promise<number | null>;
  /** Resolves when it is gone, and with it all it had to clean up (`--rm`). */
  left: Promise<unknown>;
  /** Forward a signal to the client, which hands it to the container. */
  signal: (signal: number) => void;
}

export type StreamName = "stdin" | "stdout" | "stderr";

export interface StartOptions {
  /** Argv prefix of native verbs. */
  command: readonly string[];
  /** Verb and arguments. */
  args: readonly string[];
  /** Keep our standard streams for the container's client. */
  foreground: boolean;
  /** Of them, those that are nobody's all the same. */
  muted?: readonly StreamName[];
  /** Descriptors of ours that the program gets, under the same numbers: from 3 on, ascending. They are closed here. */
  passed?: readonly number[];
  onWarning: (code: string, detail: string) => void;
  /** For errors, "start the container" when absent. */
  doing?: string;
}

/** One spawn. Errors: container.start_failed, command.not_found, command.not_executable, host.*. */
export function startHelper(options: StartOptions): RunningHelper {
  const { passed = [], muted = [] } = options;
  const stream = (name: StreamName): "inherit" | "ignore" =>
    options.foreground && !muted.includes(name) ? "inherit" : "ignore";
  const between = upTo(passed.at(-1));
  const words = passed.length === 0 ? [] : [passed.join(",")];
  const child = Bun.spawn([...options.command, ...options.args, ...words], {
    stdio: [stream("stdin"), stream("stdout"), stream("stderr"), ...between, "pipe"],
    env: process.env, // Bun's own copy may be of another process (src/cli/snapshot.ts)
  });
  for (const descriptor of passed) closeSync(descriptor);
  const started = Promise.withResolvers<{ pid: number }>();
  const ended = Promise.withResolvers<number | null>();
  // a rejection is seen through whichever promise the caller awaits
  started.promise.catch(() => {});
  ended.promise.catch(() => {});
  void followEvents(child.stdio.at(-1) as unknown as number, (event) => {
    switch (event.event) {
      case "started":
        return started.resolve({ pid: event.pid });
      case "exited":
        return ended.resolve(event.code);
      case "detached":
        return ended.resolve(null);
      case "failed": {
        const error = describeFailure(event, options.doing);
        started.reject(error);
        return ended.reject(error);
      }
      case "warning":
        return options.onWarning(event.code, event.detail);
    }
  }).then(async () => {
    const status = await child.exited;
    // settling what is settled changes nothing
    const lost = lostHelper(status, child.signalCode);
    started.reject(lost);
    ended.reject(lost);
  });
  return {
    started: started.promise,
    ended: ended.promise,
    left: child.exited,
    signal: (signal) => {
      child.kill(signal);
    },
  };
}

/**
 * Every descriptor from 3 to the last that is passed on: a child gets all of them, each under its own number, for
 * moving one could overwrite another before that is copied. Those that nobody has open are filled first.
 */
function upTo(last: number | undefined): number[] {
  if (last === undefined) return [];
  const free = "/dev/null";
  let filled = openSync(free, "r");
  while (filled < last) filled = openSync(free, "r");
  if (filled > last) closeSync(filled);
  return Array.from({ length: last - 2 }, (_, index) => index + 3);
}

/** Bytes of one event line; the helper's longest is a path and a sentence. */
const lineBytesMax = 64 * 1024;

async function followEvents(descriptor: number, on: (event: HelperEvent) => void): Promise<void> {
  const decoder = new TextDecoder();
  let pending = "";
  for await (const chunk of Bun.file(descriptor).stream()) {
    pending += decoder.decode(chunk, { stream: true });
    const lines = pending.split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) on(JSON.parse(line) as HelperEvent); // our own helper's, by the contract
    if (pending.length > lineBytesMax) throw new Error("the helper's event line has no end");
  }
}

function lostHelper(status: number, signal: string | number | null): TspodError {
  return new TspodError(
    "container.start_failed",
    `The container's helper ended without a word (${signal ?? `status ${status}`})`,
    { next: "run the command again; the store cleans up by itself" },
  );
}
