/**
 * Stops the processes of a cgroup for a while. A process of the helper's stops them and lets them go on: also when we are
 * killed, which it sees by the end of its standard input.
 */
import { writeFileSync } from "node:fs";
import type { FilesVerb } from "./files.ts";

/** They stand still when it resolves. Rejects when they cannot be stopped; then they go on. */
export async function pauseGroup({ command }: FilesVerb, group: string): Promise<AsyncDisposable> {
  const child = Bun.spawn([...command, "files", "pause", "--path", group], {
    stdio: ["pipe", "pipe", "ignore"],
    env: {},
  });
  const { value } = await child.stdout.getReader().read();
  const isStopped = value !== undefined && new TextDecoder().decode(value).includes('"ok":true');
  const goOn = async (): Promise<void> => {
    await child.stdin.end();
    if ((await child.exited) !== 0) thaw(group); // it was killed
  };
  if (isStopped) return { [Symbol.asyncDispose]: goOn };
  await goOn();
  throw new Error(`cannot freeze ${group}`);
}

function thaw(group: string): void {
  try {
    writeFileSync(`${group}/cgroup.freeze`, "0");
  } catch {
    // the container has ended
  }
}
