/** crun and runc by themselves, running `true` from a bundle of one static program: the floor under podman and us. */
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Candidate, command } from "./measure.ts";

/** A runtime that is installed and starts a container here (crun refuses hosts with both cgroup versions). */
export async function prepareRuntime(
  name: "crun" | "runc",
  directory: string,
  environment: Record<string, string>,
): Promise<Candidate | undefined> {
  const busybox = Bun.which("busybox");
  if (Bun.which(name) === null || busybox === null) return undefined;
  const bundle = join(directory, `${name}-bundle`);
  mkdirSync(join(bundle, "rootfs/bin"), { recursive: true });
  copyFileSync(busybox, join(bundle, "rootfs/bin/true"));
  chmodSync(join(bundle, "rootfs/bin/true"), 0o755);
  await command([name, "spec", "--rootless", "--bundle", bundle], environment);
  await useTrue(join(bundle, "config.json"));
  const run = ["run", "--bundle", bundle, `bench-${name}`];
  const candidate: Candidate = {
    name: `${name} run (bare)`,
    run: async () => {
      await command([name, "--root", join(directory, `${name}-root`), ...run], environment);
    },
  };
  try {
    await candidate.run();
    return candidate;
  } catch {
    return undefined; // it does not run here: there is nothing to compare with
  }
}

async function useTrue(path: string): Promise<void> {
  const config = JSON.parse(await Bun.file(path).text()) as { process: Record<string, unknown> }; // of the runtime's own making
  Object.assign(config.process, { args: ["/bin/true"], terminal: false });
  await Bun.write(path, JSON.stringify(config));
}
