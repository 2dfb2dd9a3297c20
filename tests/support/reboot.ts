/** A reboot, as a store sees it: none of its processes, nothing of what the host keeps in memory. Its disk stays. */
import { rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cgroupsOf, processesOf } from "./leaks.ts";
import { until } from "./wait.ts";
import type { World } from "./world.ts";

/** A monitor that is hit may have been at anything: making a process, removing its directory, removing its cgroup. */
export async function reboot(world: World): Promise<void> {
  await until("nothing runs", () => {
    for (const { pid } of processesOf(world.root)) killIfThere(pid);
    return processesOf(world.root).length === 0;
  });
  rmSync(join(world.root, "run"), { recursive: true, force: true });
  for (const group of cgroupsOf(world.root)) {
    await until(`${group} is empty`, () => isRemoved(group));
  }
}

/** The last to die may still be at it. */
function isRemoved(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException; // of a system call
    if (code === "EBUSY") return false;
    if (code === "ENOENT") return true; // with the one that it lay in
    throw error;
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}
