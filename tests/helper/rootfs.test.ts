/** The root file system where the kernel's overlay is not to be had: fuse-overlayfs, a copy, a directory. */
import { describe, expect } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Rootfs } from "../../src/helper/contract.ts";
import { program, testWith } from "../support/requirements.ts";
import { until } from "../support/wait.ts";
import { attached, Container, lowerDirectory, mapping, runtimeTest } from "./runtime-fixture.ts";

const fuseProgram = Bun.which("fuse-overlayfs") ?? "/usr/bin/fuse-overlayfs";
const fuseTest = testWith(
  program("busybox", "busybox-static"),
  program("fuse-overlayfs"),
  () => (existsSync("/dev/fuse") ? undefined : "no /dev/fuse"),
  () => mapping.limitation,
);

function fuseContainer(args: string[], helper: object = {}, more: Partial<Rootfs> = {}): Container {
  const container = new Container(args, { helper: { attach: attached, ...helper } });
  const at = (name: string): string => join(container.directory, name);
  const rootfs = {
    ...{ kind: "fuse-overlayfs", program: fuseProgram, lower: [lowerDirectory()] },
    ...{ upper: at("upper"), work: at("work") },
    ...more,
  } as Rootfs; // `more` changes fields of this kind only
  container.amend({ rootfs });
  return container;
}

describe("fuse-overlayfs", () => {
  fuseTest("shows the layers and takes changes in the upper one", async () => {
    const script =
      "cat /from-layer; echo new >/etc/passwd; rm /bin/ls; touch /mine; cat /etc/passwd; stat -c %u:%g / /mine";
    const layer = mkdtempSync(join(tmpdir(), "tspod-layer-"));
    writeFileSync(join(layer, "from-layer"), "layered\n");
    await using container = fuseContainer(
      ["sh", "-c", script],
      {},
      { lower: [layer, lowerDirectory()] },
    );
    const { stdout, stderr, last } = await container.run();
    rmSync(layer, { recursive: true });
    expect({ stdout, stderr, last }).toEqual({
      stdout: "layered\nnew\n0:0\n0:0\n",
      stderr: "",
      last: { event: "exited", code: 0 },
    });
    expect(existsSync(join(lowerDirectory(), "bin/ls"))).toBe(true);
    expect(existsSync(join(container.directory, "upper/mine"))).toBe(true);
  });

  fuseTest("files have owners, of every id of the map, and permissions hold", async () => {
    const script =
      "touch /f; chown 1000:50 /f; chmod 600 /f; stat -c %u:%g:%a /f; su app -c 'cat /f && id -u'; " +
      "echo x >/g; chmod 600 /g; su app -c 'cat /g' 2>&1; true";
    await using container = fuseContainer(["sh", "-c", script], {}, {});
    expect((await container.run()).stdout).toBe(
      "1000:50:600\n1000\ncat: can't open '/g': Permission denied\n",
    );
  });

  for (const passthrough of [false, true]) {
    fuseTest(`--rm leaves no process and no file, passthrough ${passthrough}`, async () => {
      const helper = { autoRemove: true, attach: { ...attached, passthrough } };
      await using container = fuseContainer(["sh", "-c", "mkdir -p /a/b; chown -R 7 /a"], helper);
      expect((await container.run()).last).toEqual({ event: "exited", code: 0 });
      expect(container.leftovers()).toEqual([]);
      expect(existsSync(container.directory)).toBe(false);
    });
  }

  fuseTest("nobody inside sees the process that serves it", async () => {
    await using container = fuseContainer(["sh", "-c", "cat /proc/[0-9]*/comm; ls /proc/self/fd"]);
    expect((await container.run()).stdout).toBe("sh\n0\n1\n2\n3\n");
  });

  fuseTest("its process dies with the container, and with the monitor", async () => {
    await using container = fuseContainer(["sleep", "1000"], { attach: undefined });
    await container.run();
    expect(serving(container)).toHaveLength(1);
    process.kill(container.state().monitorPid, "SIGKILL");
    await until("both are gone", () => serving(container).length === 0);
    rmSync(container.runtimeDir, { recursive: true });
  });

  fuseTest("a program that does not work is named", async () => {
    await using container = fuseContainer(["true"], {}, { program: "/bin/false" });
    expect((await container.run()).last).toEqual({
      ...{ event: "failed", call: "mount", detail: "/bin/false failed with status 1", errno: "" },
    });
    expect(container.leftovers()).toEqual([]);
  });
});

function serving(container: Container): string[] {
  return container
    .leftovers()
    .filter((line) => line.startsWith("process") && line.includes("fuse"));
}

describe("a copy", () => {
  runtimeTest("is filled once from the layers, then kept", async () => {
    await using container = new Container(
      ["sh", "-c", "cat /etc/passwd; echo changed >/etc/passwd"],
      {
        helper: { attach: attached },
      },
    );
    container.amend({ rootfs: { kind: "copy", lower: [lowerDirectory()] } });
    expect((await container.run()).stdout).toStartWith("root:x:0:0:");
    expect((await container.run()).stdout).toBe("changed\n");
    expect(readdirSync(container.directory)).not.toContain("merged.filling");
  });

  runtimeTest("that was interrupted is not taken for a whole one", async () => {
    await using container = new Container(["ls", "/"], { helper: { attach: attached } });
    container.amend({ rootfs: { kind: "copy", lower: [lowerDirectory()] } });
    const partial = join(container.directory, "merged.filling");
    await Bun.write(join(partial, "half"), "");
    const { stdout } = await container.run();
    expect(stdout).toContain("etc\n");
    expect(stdout).not.toContain("half");
  });
});

describe("a directory", () => {
  runtimeTest("is used as it is", async () => {
    await using container = new Container(["busybox", "cat", "/etc/group"], {
      helper: { attach: attached },
    });
    container.amend({ rootfs: { kind: "copy", lower: [lowerDirectory()] } });
    await container.run();
    container.amend({ rootfs: { kind: "directory" } });
    expect((await container.run()).stdout).toStartWith("root:x:0:");
  });
});
