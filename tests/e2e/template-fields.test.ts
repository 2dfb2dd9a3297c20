/** Rare fields that scripts of docker's and podman's ask for: each has a value, and costs nobody else anything. */
import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { runBox } from "../support/boxes.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";

const test = testWith(...registryPrograms);
const shared = sharedWorld({ images: ["tiny"] });
const ok = (...words: string[]) => shared.world.ok(...words);

describe("ps", () => {
  const all =
    "{{.Cgroup}} {{.CGROUPNS}} {{.IPC}} {{.MNT}} {{.NET}} {{.PIDNS}} {{.USERNS}} {{.User}} {{.UTS}}";

  test("the namespaces of what runs are the kernel's numbers, by every name", async () => {
    const { world } = shared;
    await using box = await runBox(world, "readlink /proc/self/ns/pid; exec sleep 1000");
    const only = ["--filter", `id=${box.id}`];
    const words = (await ok("ps", ...only, "--format", all)).split(" ");
    expect(words.map((word) => /^\d{10}$/.test(word))).toEqual(words.map(() => true));
    const [logged = ""] = (await ok("logs", box.id)).split("\n");
    expect(logged).toBe(`pid:[${words[5]}]`);
    const nested = "{{.Names}} {{.Namespaces.PIDNS}} {{.Namespaces.Mnt}} {{.Image}}";
    const [name, pidns, mnt, image = ""] = (await ok("ps", ...only, "--format", nested)).split(" ");
    expect([name, pidns, mnt]).toEqual([
      await ok("inspect", "-f", "{{.Name}}", box.id),
      words[5],
      words[3],
    ]);
    expect(image).toContain("tiny");
    expect(await ok("ps", "--ns", ...only, "--format", "{{.PIDNS}} {{.Image}}")).toBe(
      `${pidns} ${image}`,
    );
  });

  test("of what does not run there are none, and a list of nobody is no wrong question", async () => {
    const id = await ok("create", "tiny", "true");
    expect(await ok("ps", "-a", "--filter", `id=${id}`, "--format", `<${all}>`)).toBe(
      `<${" ".repeat(8)}>`,
    );
    await ok("rm", id);
    expect(
      await ok("ps", "--filter", "name=nobody", "--format", "table {{.ID}}\t{{.PIDNS}}"),
    ).toMatch(/^CONTAINER ID +PIDNS$/);
    const wrong = await shared.world.tspod(["ps", "--format", "{{.PIDN}} {{.UTS}}"]);
    expect([wrong.exitCode, wrong.stderr]).toEqual([
      125,
      expect.stringContaining('no field ".PIDN"'),
    ]);
  });
});

test("inspect: whoever watches a container is what a script calls conmon", async () => {
  await using box = await runBox(shared.world, "exec sleep 1000", "--health-cmd=true");
  const fields =
    "{{.ID}} {{.State.ConmonPid}} {{.State.Healthcheck.Status}} {{.HostConfig.CgroupManager}}";
  const [id, pid, health, manager] = (await ok("inspect", "-f", fields, box.id)).split(" ");
  expect([id, health]).toEqual([box.id, "starting"]);
  expect(["systemd", "cgroupfs", "none"]).toContain(manager as never);
  const parent = /^PPid:\t(\d+)$/m.exec(
    readFileSync(`/proc/${await ok("inspect", "-f", "{{.State.Pid}}", box.id)}/status`, "utf8"),
  )?.[1];
  expect(pid).toBe(parent as never);
  await ok("kill", box.id);
  await ok("wait", box.id);
  expect(await ok("inspect", "-f", "{{.State.ConmonPid}}", box.id)).toBe("0");
});

test("volumes: how many that run have it, and whether it waits for its first content", async () => {
  const fields = "{{.MountCount}} {{.NeedsCopyUp}} {{.UID}} {{.Status}}";
  const list = ["volume", "ls", "-f", "name=counted", "--format", fields];
  await ok("volume", "create", "counted");
  expect(await ok(...list)).toBe("0 true 0 map[]");
  {
    await using _box = await runBox(
      shared.world,
      "echo > /v/x; exec sleep 1000",
      "-v",
      "counted:/v",
    );
    await using _other = await runBox(shared.world, "exec sleep 1000", "-v", "counted:/v");
    expect(await ok("volume", "inspect", "-f", "{{.MountCount}}", "counted")).toBe("2");
  }
  expect(await ok(...list)).toBe("0 false 0 map[]");
});

test.each([
  [
    ["images", "--format", "{{.Os}}/{{.Arch}} {{.IsDangling}} {{.IsReadOnly}}"],
    "linux/amd64 false false",
  ],
  [["image", "inspect", "-f", "{{.HealthCheck}} {{.Version}}|{{eq .ID .Id}}", "tiny"], /\|true$/],
  [
    ["network", "ls", "-f", "name=plain", "--format", "{{.Options}} {{.IPAMOptions}}"],
    "mtu=1400 driver=host-local",
  ],
  [["info", "-f", "{{.Host.Linkmode}} {{.Host.Conmon.Version}}"], /^static tspod \d/],
  [["info", "-f", "{{.Host.CPUUtilization.IdlePercent}} {{.Store.GraphStatus}}"], /^[\d.]+ map\[/],
  [["info", "-f", "{{.Version.APIVersion}} {{.Version.BuiltTime}}"], /^\d+\.\d+\.\d+ /],
  [
    [
      "events",
      "--stream=false",
      "-f",
      "type=network",
      "--format",
      "{{.Details.Attributes}}|{{.PodID}}{{.Network}}",
    ],
    /\|/,
  ],
])("%j", async (words, expected) => {
  if (words[0] === "network") await ok("network", "create", "-o", "mtu=1400", "plain");
  const shown = await ok(...words);
  if (typeof expected === "string") expect(shown).toBe(expected);
  else expect(shown).toMatch(expected);
});
