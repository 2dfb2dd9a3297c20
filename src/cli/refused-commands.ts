/** Commands that docker or podman have and we do not: why, and what does the same. Read only when one is asked for. */

interface Refusal {
  readonly why: string;
  readonly next: string;
}

const lasting = "there is nothing here that a new version or another host would have to change";

const noCheckpoints: Refusal = {
  why: "there are no checkpoints",
  next: "tspod commit keeps the files of a container",
};
const noInit: Refusal = {
  why: "a container is made ready by its start",
  next: "tspod start CONTAINER",
};

const refusals: Readonly<Record<string, Refusal>> = {
  init: noInit,
  "container init": noInit,
  "container checkpoint": noCheckpoints,
  "container restore": noCheckpoints,
  "container cleanup": {
    why: "the monitor of each container does that itself",
    next: "tspod system check looks for what is left",
  },
  "container clone": {
    why: "what a container was made with is told by inspect",
    next: "tspod commit CONTAINER IMAGE, then tspod create with the flags it should have",
  },
  "container runlabel": {
    why: "a label of an image runs no command here",
    next: "tspod image inspect -f '{{json .Config.Labels}}' IMAGE shows them",
  },
  generate: {
    why: "units of systemd are written by hand",
    next: 'the README has one, below "As a service of systemd"; tspod system autostart does without',
  },
  machine: { why: "containers run on this machine", next: "leave it away" },
  pod: {
    why: "there are no pods",
    next: "containers share a network with --network container:NAME, or find each other on one",
  },
  "volume reload": { why: "there are no other volume drivers", next: "leave it away" },
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
  const words = [path.join(" "), path[0] ?? ""];
  const known = words.find((each) => Object.hasOwn(refusals, each));
  return known === undefined ? undefined : refusals[known];
}

/** What docker and podman take before the command, by what does the same here. */
const globalFlags: Readonly<Record<string, string>> = {
  "TSPOD_ROOT=DIRECTORY says where everything is kept":
    "--root --runroot --imagestore --tmpdir --volumepath --storage-driver --storage-opt",
  "TSPOD_DEBUG=1 shows where an error comes from": "--log-level -l --debug -D --syslog --trace",
  "leave it away: there is no daemon, here or elsewhere":
    "--host -H --context -c --remote -r --url --connection --identity --ssh --tls --tlsverify",
  "leave it away: cgroups are made as this host has them": "--cgroup-manager",
};

/** A flag where a command should be: the sentence of it, and what to do. */
export function globalFlag(word: string): { message: string; next: string } {
  const name = word.split("=")[0] ?? word;
  const entries = Object.entries(globalFlags);
  const [next] = entries.find(([, names]) => names.split(" ").includes(name)) ?? [];
  return {
    message: `No flag goes before the command, as "${name}" does`,
    next: next ?? "write it behind the command; tspod COMMAND --help shows what each knows",
  };
}
