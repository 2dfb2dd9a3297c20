/** What a container's start says to systemd: one request, whole before the first answer, whoever we are in a namespace. */
import { expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { program, testWith } from "../support/requirements.ts";
import { tspodFile } from "../support/world.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

/** Somebody who listens where the user's systemd would, and hangs up as soon as a scope has been asked for. */
function listen(runtime: Runtime): Disposable & { connections: string[] } {
  const connections: string[] = [];
  mkdirSync(join(runtime.base, "systemd"));
  const server = Bun.listen<{ number: number }>({
    unix: join(runtime.base, "systemd/private"),
    socket: {
      open(socket) {
        socket.data = { number: connections.push("") - 1 };
      },
      data(socket, bytes) {
        const { number } = socket.data;
        connections[number] += bytes.toString("latin1");
        if (connections[number]?.includes("TimeoutStopUSec") === true) socket.end();
      },
    },
  });
  return { connections, [Symbol.dispose]: () => server.stop(true) };
}

const limited = (): Runtime =>
  new Runtime(["true"], (spec) => {
    spec.linux.resources = { pids: { limit: 5 } };
  });

runtimeTest(
  "systemd is asked once, and all that it is told is sent before it answers",
  async () => {
    await using runtime = limited();
    using systemd = listen(runtime);
    const started = runtime.start(["--systemd-cgroup", "run", "-b", "bundle", "c"], {
      environment: { XDG_RUNTIME_DIR: runtime.base },
    });
    const { exitCode, stderr } = await started.result;
    expect(systemd.connections).toHaveLength(1);
    const [said] = systemd.connections;
    const uid = Buffer.from(String(process.geteuid?.())).toString("hex");
    expect(said).toStartWith(`\0AUTH EXTERNAL ${uid}\r\nBEGIN\r\n`);
    expect(said).toContain("StartTransientUnit");
    expect(said).toContain("tspod-c.scope");
    expect(stderr).toContain("systemd closed the connection");
    expect(exitCode).toBe(1);
  },
);

testWith(program("busybox", "busybox-static"), program("unshare", "util-linux"))(
  "root of a user namespace is to systemd who made it: podman starts runtimes so",
  async () => {
    await using runtime = limited();
    using systemd = listen(runtime);
    const words = ["oci", "--root", runtime.root, "--systemd-cgroup", "run", "-b", "bundle", "c"];
    const child = Bun.spawn(["unshare", "--user", "--map-root-user", tspodFile, ...words], {
      ...{ cwd: runtime.base, stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      env: { ...runtime.environment, XDG_RUNTIME_DIR: runtime.base },
    });
    await child.exited;
    const uid = Buffer.from(String(process.geteuid?.())).toString("hex");
    expect(systemd.connections.map((said) => said.split("\r\n")[0])).toEqual([
      `\0AUTH EXTERNAL ${uid}`,
    ]);
  },
);
