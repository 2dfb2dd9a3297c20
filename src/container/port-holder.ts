/** Who has a port that somebody else wants: only another container of ours can be named. */
import { TspodError } from "../errors.ts";
import { areRivals, formatHostPort } from "../network/index.ts";
import type { PublishedPort } from "../spec/index.ts";
import { isUp } from "../store/containers.ts";
import { listContainers, type Store } from "./find.ts";
import { portsOf } from "./asked.ts";

/** The same error, or one that says which container is in the way of `ports`. */
export function withHolder(
  context: Store,
  id: string,
  ports: readonly PublishedPort[],
  error: unknown,
): unknown {
  if (!(error instanceof TspodError) || error.code !== "port.in_use") return error;
  for (const other of listContainers(context)) {
    if (other.id === id || !isUp(other.state)) continue;
    const port = ports.find((one) => portsOf(other).some((theirs) => areRivals(one, theirs)));
    if (port === undefined) continue;
    const message = `Cannot publish ${formatHostPort(port)}: container "${other.name}" has it`;
    return new TspodError("port.in_use", message, {
      next: `stop that first: tspod stop ${other.name}, or publish another port of the host`,
      cause: error,
    });
  }
  return error;
}
