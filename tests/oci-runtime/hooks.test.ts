/** config.md "POSIX-platform Hooks": when each kind runs, where, with what, and what its failure does. */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Hook, HookKind } from "../../src/oci/runtime-spec.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

interface Told {
  kind: string;
  status: string;
  pid: number;
  id: string;
  bundle: string;
  annotations: Record<string, string>;
}

/** Appends its kind and its state to `log`. */
const telling = (kind: HookKind, log: string): Hook => ({
  path: "/bin/sh",
  args: ["sh", "-c", `{ printf '%s ' "$KIND"; cat; echo; } >> ${log}`],
  env: [`KIND=${kind}`, "PATH=/bin:/usr/bin"],
});

const kinds: HookKind[] = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];

/** What the hooks wrote, one line each. */
function told(path: string): Told[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8").trim().split("\n");
  return lines.map((line) => {
    const [kind = ""] = line.split(" ", 1);
    return { kind, ...(JSON.parse(line.slice(kind.length)) as Omit<Told, "kind">) };
  });
}

function withHooks(hooks: (log: string) => Partial<Record<HookKind, Hook[]>>): Runtime {
  return new Runtime(["sleep", "1000"], (spec) => {
    spec.annotations = { a: "b" };
    spec.hooks = hooks("log");
  });
}

describe("hooks", () => {
  runtimeTest("each runs at its moment, where it should, and is told the state", async () => {
    await using runtime = withHooks((log) => ({
      ...Object.fromEntries(kinds.map((kind) => [kind, [telling(kind, log)]])),
      createContainer: [telling("createContainer", `../${log}`)], // it is in what becomes the root
      startContainer: [telling("startContainer", "/tmp/log")],
    }));
    const log = join(runtime.bundle, "log");
    await runtime.create("c");
    const { pid } = await runtime.state("c");
    const common = { id: "c", bundle: runtime.bundle, annotations: { a: "b" } };
    expect(told(log)).toMatchObject([
      { ...common, kind: "prestart", status: "creating", pid },
      { ...common, kind: "createRuntime", status: "creating", pid },
      { ...common, kind: "createContainer", status: "creating", pid: 1 },
    ]);
    expect(told(join(runtime.bundle, "rootfs/tmp/log"))).toEqual([]);
    await runtime.ok("start", "c");
    expect(told(join(runtime.bundle, "rootfs/tmp/log"))).toMatchObject([
      { ...common, kind: "startContainer", status: "created", pid: 1 },
    ]);
    expect(told(log).slice(3)).toMatchObject([{ kind: "poststart", status: "running", pid }]);
    await runtime.ok("delete", "--force", "c");
    expect(told(log).slice(4)).toMatchObject([{ ...common, kind: "poststop", status: "stopped" }]);
  });

  for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
    runtimeTest(`a ${kind} hook that fails ends create; poststop still runs`, async () => {
      await using runtime = withHooks((log) => ({
        [kind]: [{ path: "/bin/sh", args: ["sh", "-c", "echo why >&2; exit 3"] }],
        poststop: [telling("poststop", log)],
      }));
      const { exitCode, stderr } = await runtime.oci("create", "-b", "bundle", "c");
      expect(stderr).toBe(`tspod-oci: hooks.${kind}[0] "/bin/sh" failed with status 3: why\n`);
      expect(exitCode).toBe(1);
      expect(runtime.containers()).toEqual([]);
      expect(told(join(runtime.bundle, "log"))).toMatchObject([{ kind: "poststop" }]);
    });
  }

  for (const kind of ["startContainer", "poststart"] as const) {
    runtimeTest(`a ${kind} hook that fails ends start and stops the container`, async () => {
      await using runtime = withHooks(() => ({
        [kind]: [{ path: "/bin/sh", args: ["sh", "-c", "exit 4"] }],
      }));
      await runtime.create("c");
      const { exitCode, stderr } = await runtime.oci("start", "c");
      expect(stderr).toContain(`hooks.${kind}[0] "/bin/sh" failed with status 4`);
      expect(exitCode).toBe(1);
      await runtime.untilStatus("c", "stopped");
      await runtime.ok("delete", "c");
    });
  }

  runtimeTest("a poststop hook that fails is a warning, and the next one runs", async () => {
    await using runtime = withHooks((log) => ({
      poststop: [{ path: "/bin/false" }, telling("poststop", log)],
    }));
    await runtime.create("c");
    const { exitCode, stderr } = await runtime.oci("delete", "--force", "c");
    expect(stderr).toContain("hooks.poststop[0]");
    expect(exitCode).toBe(0);
    expect(told(join(runtime.bundle, "log"))).toHaveLength(1);
  });

  runtimeTest("a hook that takes too long is killed, with everything it started", async () => {
    await using runtime = withHooks(() => ({
      prestart: [{ path: "/bin/sh", args: ["sh", "-c", "sleep 1000 & wait"], timeout: 1 }],
    }));
    const { exitCode, stderr } = await runtime.oci("create", "-b", "bundle", "c");
    expect(stderr).toContain("took longer than its timeout");
    expect(exitCode).toBe(1);
  });

  runtimeTest(
    "hooks see the container while it is made; startContainer has no more rights",
    async () => {
      await using runtime = new Runtime(["true"], (spec) => {
        const rights = "grep -E 'CapEff|NoNewPrivs' /proc/self/status > /tmp/rights";
        spec.process.capabilities = {
          ...{ bounding: ["CAP_KILL"], effective: ["CAP_KILL"], permitted: ["CAP_KILL"] },
          ...{ inheritable: [], ambient: [] },
        };
        spec.hooks = {
          startContainer: [{ path: "/bin/sh", args: ["sh", "-c", rights], env: ["PATH=/bin"] }],
          createContainer: [
            {
              path: "/bin/sh",
              args: ["sh", "-c", "test -e proc/1/stat && test -e /etc/passwd"],
            },
          ],
        };
      });
      await runtime.ok("run", "-b", "bundle", "c");
      expect(readFileSync(join(runtime.bundle, "rootfs/tmp/rights"), "utf8")).toBe(
        "CapEff:\t0000000000000020\nNoNewPrivs:\t1\n",
      );
    },
  );

  runtimeTest("what cannot be a hook is refused before anything is made", async () => {
    for (const hook of [{ path: "sh" }, { path: "/bin/true", timeout: 0 }]) {
      await using runtime = withHooks(() => ({ prestart: [hook] }));
      expect((await runtime.oci("create", "-b", "bundle", "c")).stderr).toContain(
        "hooks.prestart[0]",
      );
    }
  });
});
