/** Commands that docker or podman have and we do not: why, and what does the same. Read only when one is asked for. */

interface Refusal {
  readonly why: string;
  readonly next: string;
}

const lasting = "there is nothing here that a new version or another host would have to change";

const refusals: Readonly<Record<string, Refusal>> = {
  "image scp": {
    why: "a pipe over ssh does the same",
    next: "tspod save IMAGE | ssh HOST tspod load",
  },
  "image sign": {
    why: "it does not sign; cosign does, by an image's digest",
    next: "tspod push --digestfile FILE writes that digest",
  },
  "image trust": {
    why: "policy.json is read as it is written",
    next: "see containers-policy.json(5), or registries.conf to block a registry",
  },
  "system reset": {
    why: "each kind of thing is removed by a command of its own",
    next: "tspod rm -af; tspod rmi -af; tspod volume rm -af; tspod network prune -f",
  },
  "system migrate": { why: lasting, next: "leave it away" },
  "system renumber": { why: lasting, next: "leave it away" },
};

export function findRefusal(path: readonly string[]): Refusal | undefined {
  const words = path.join(" ");
  return Object.hasOwn(refusals, words) ? refusals[words] : undefined;
}
