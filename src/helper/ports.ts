/** One request to the network process of a running container, over its net.sock. */
import type { PortReply, PortRequest } from "./contract.ts";

/** Null: no network process answers there (the container does not run, or has no network of its own). */
export async function askNetwork(
  command: readonly string[],
  runtimeDir: string,
  request: PortRequest,
): Promise<PortReply | null> {
  const child = Bun.spawn([...command, "ports", runtimeDir, JSON.stringify(request)], {
    stdio: ["ignore", "pipe", "ignore"],
    env: {},
  });
  const answer = await child.stdout.text();
  if ((await child.exited) !== 0 || answer === "") return null;
  return JSON.parse(answer) as PortReply; // our own program's, by the contract
}
