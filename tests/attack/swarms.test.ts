/** Many processes: a limit holds against who forks without end, and what ends a container ends all of them. */
import { describe, expect } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import {
  attack,
  attackRequirements,
  type Front,
  fronts,
  perlMounts,
  ready,
  type Target,
} from "./target.ts";

const test = testWith(...attackRequirements, cgroupDelegation);

/**
 * Every process forks two that do the same, and none of them listens to anybody. One that cannot fork tries again, and
 * none ends, so the room is used up and stays so; where nothing limits them there are 511 and no more.
 */
const bomb = `
$SIG{$_} = "IGNORE" for qw(TERM HUP INT);
open(my $ready, ">", "/talk/ready") or die;
my ($depth, $children) = (0, 0);
while ($depth < 8 && $children < 2) {
  my $pid = fork;
  if (!defined $pid) { select(undef, undef, undef, 0.001) }
  elsif ($pid == 0) { $depth++; $children = 0 }
  else { $children++ }
}
sleep 1000 while 1;
`;
const thousand = `trap '' TERM; i=0; while [ $i -lt 1000 ]; do sleep 1000 & i=$((i + 1)); done; touch /talk/ready; wait`;

function swarm(front: Front, args: string[], pidsMax: number): Target {
  const resources = { pids: { limit: pidsMax } };
  return attack(front, args, { linux: { resources }, mounts: perlMounts });
}

/** As the host counts them: all that are in its pid namespace. */
function processesOf(target: Target): number[] {
  const namespaceOf = (pid: number | string): string | undefined => {
    try {
      return readlinkSync(`/proc/${pid}/ns/pid`);
    } catch {
      return undefined; // it has ended, or is not ours
    }
  };
  const own = namespaceOf(target.pids()[0] ?? 0);
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return own === undefined ? [] : all.filter((pid) => namespaceOf(pid) === own).map(Number);
}

const areAlive = (pids: number[]): boolean =>
  pids.some((pid) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return false;
    }
  });

describe.each(fronts)("%s", (front) => {
  test("a fork bomb stays within its limit, and is stopped while it goes on", async () => {
    const pidsMax = 48;
    await using target = swarm(front, ["/usr/bin/perl", "-e", bomb], pidsMax);
    await target.background();
    await ready(target);
    await until("it has used up its room", () => processesOf(target).length >= pidsMax);
    for (let i = 0; i < 20; i++) expect(processesOf(target)).toHaveLength(pidsMax);
    const pids = processesOf(target);
    await target.kill();
    await until("all have ended", () => !areAlive(pids));
  });

  test("a thousand processes that listen to nobody end with it", async () => {
    await using target = swarm(front, ["sh", "-c", thousand], 2000);
    await target.background();
    await ready(target);
    const pids = processesOf(target);
    expect(pids.length).toBeGreaterThan(1000);
    await target.kill();
    await until("all have ended", () => !areAlive(pids));
  });
});
