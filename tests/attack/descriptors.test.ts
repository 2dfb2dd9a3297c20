/** Descriptors and working directories of the host (CVE-2024-21626): none is open when a program is looked up or runs. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../support/wait.ts";
import { attack, attackTest, fronts, inside, type Target } from "./target.ts";

/** More than any of our processes has open. */
const descriptors = Array.from({ length: 24 }, (_, fd) => fd);

/** With every number, a few containers at a time. */
async function withEach(attempt: (fd: number) => Promise<void>): Promise<void> {
  const waiting = [...descriptors];
  const next = async (): Promise<void> => {
    for (let fd = waiting.shift(); fd !== undefined; fd = waiting.shift()) await attempt(fd);
  };
  await Promise.all([next(), next(), next(), next()]);
}

/** Namespaces to join: then the start takes longer, and more is open on the way. */
const holder = Promise.withResolvers<number>();

beforeAll(async () => {
  const words = "unshare --user --map-auto --map-root-user --net sleep 600".split(" ");
  const { pid } = Bun.spawn(words, { stdio: ["ignore", "ignore", "ignore"] });
  await until("it sleeps", () => readFileSync(`/proc/${pid}/comm`, "utf8") === "sleep\n");
  holder.resolve(pid);
});

afterAll(async () => process.kill(await holder.promise));

async function joinNetwork(target: Target): Promise<void> {
  const pid = await holder.promise;
  target.configure(({ linux }) => {
    for (const namespace of linux.namespaces) {
      if (namespace.type === "user") namespace.path = `/proc/${pid}/ns/user`;
      if (namespace.type === "network") namespace.path = `/proc/${pid}/ns/net`;
    }
    delete linux.uidMappings;
    delete linux.gidMappings;
  });
}

/** A program of the host where the way out would end: nothing inside has that name. */
function plantOutside(target: Target): void {
  copyFileSync(Bun.which("busybox") ?? "/bin/busybox", join(target.base, "echo"));
}

/** From a directory of the host to `plantOutside`'s. */
const wayOut = (fd: number, target: Target): string =>
  `/proc/self/fd/${fd}/${"../".repeat(12)}${target.base}`;

describe.each(fronts)("%s", (front) => {
  attackTest("the program has its streams and nothing else", async () => {
    // 3 is what ls itself has open
    expect((await inside(front, "ls /proc/self/fd | tr '\\n' ' '")).trim()).toBe("0 1 2 3");
  });

  for (const how of ["alone", "with a namespace joined"]) {
    /** Tried with every number: none may work. */
    const none = async (
      args: string[],
      plant: (target: Target, fd: number) => void,
    ): Promise<void> => {
      await withEach(async (fd) => {
        await using target = attack(front, args);
        mkdirSync(target.image, { recursive: true });
        plantOutside(target);
        plant(target, fd);
        if (how !== "alone") await joinNetwork(target);
        const { refused, output } = await target.run();
        expect(refused).toBeDefined();
        expect(refused).not.toMatch(/setns|joined/);
        expect(output.replaceAll(/^tspod-oci: .*/gm, "").trim()).toBe("");
      });
    };

    attackTest(`no working directory is one, ${how}`, async () => {
      await none(["pwd"], (target, fd) =>
        target.configure((config) => (config.process.cwd = `/proc/self/fd/${fd}`)),
      );
    });

    attackTest(`no program is found through one, ${how}`, async () => {
      await none(["echo", "OUTSIDE"], (target, fd) =>
        target.configure((config) => (config.process.env = [`PATH=${wayOut(fd, target)}`])),
      );
    });

    attackTest(`no interpreter is found through one, ${how}`, async () => {
      await none(["/script"], (target, fd) => {
        const script = `#!${wayOut(fd, target)}/echo OUTSIDE\n`;
        writeFileSync(join(target.image, "script"), script, { mode: 0o755 });
      });
    });
  }

  attackTest("no working directory is one behind a symlink of the image", async () => {
    await withEach(async (fd) => {
      await using target = attack(front, ["pwd"]);
      mkdirSync(target.image, { recursive: true });
      symlinkSync(`/proc/self/fd/${fd}`, join(target.image, "work"));
      target.configure((config) => (config.process.cwd = "/work"));
      expect((await target.run()).refused).toBeDefined();
    });
  });

  attackTest("exec: neither directory nor program", async () => {
    await using target = attack(front, ["sleep", "1000"]);
    plantOutside(target);
    await target.background();
    expect((await target.exec(["echo", "inside"])).output).toBe("inside\n");
    for (const fd of descriptors) {
      const there = `/proc/self/fd/${fd}`;
      for (const terminal of [false, true]) {
        expect((await target.exec(["pwd"], { cwd: there, terminal })).refused).toBeDefined();
      }
      const env = [`PATH=${wayOut(fd, target)}`];
      const { refused, output } = await target.exec(["echo", "OUTSIDE"], { env });
      expect(refused).toBeDefined();
      expect(output).not.toMatch(/^OUTSIDE/m);
    }
  });
});
