/** What a test of cgroups needs of this host, and where a container's group lies. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { hostCgroup } from "../../src/host/index.ts";
import { registryPrograms, type Requirement, testWith } from "../support/requirements.ts";
import type { World } from "../support/world.ts";

const here = hostCgroup(process.env);

/** In which containers of ours can be limited: a systemd session of ours, or a part of the hierarchy that is ours. */
export function delegated(...controllers: string[]): Requirement {
  return () => {
    if (here.manager === "none") return "no delegated cgroup v2 (.ci/run makes one)";
    const missing = controllers.find((name) => !here.controllers.includes(name));
    return missing === undefined ? undefined : `no controller ${missing}`;
  };
}

export const isCgroupfs: Requirement = () =>
  here.manager === "cgroupfs" ? undefined : "this host has systemd";

export const cgroupTest = (...requirements: Requirement[]) =>
  testWith(...registryPrograms, delegated(), ...requirements);

/** state.json of a container that runs. */
export async function stateOf(world: World, name: string): Promise<{ [key: string]: unknown }> {
  const id = await world.ok("inspect", "--format", "{{.Id}}", name);
  const file = join(world.root, "run", id.slice(0, 24), "state.json");
  return JSON.parse(readFileSync(file, "utf8")) as { [key: string]: unknown }; // the monitor's
}

/** The directory of its cgroup. */
export async function groupOf(world: World, name: string): Promise<string> {
  return String((await stateOf(world, name)).cgroup);
}

/** A small file of a cgroup, without the last newline. */
export const read = (group: string, file: string): string =>
  readFileSync(join(group, file), "utf8").trimEnd();

/** The path of the line "0::PATH" of a process. */
export const groupOfProcess = (pid: number): string | undefined =>
  /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
