/** top, stats, system df, prune and inspect: what containers are, do and take. */
import { describe, expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { subordinateIds } from "../helper/layer-fixture.ts";
import { createBox, inspectOne, runBox, runProgram } from "../support/boxes.ts";
import { cgroupDelegation } from "../support/delegated-cgroup.ts";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { sharedWorld } from "../support/shared-world.ts";
import { until } from "../support/wait.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms);
const grouped = testWith(...registryPrograms, cgroupDelegation);
const shared = sharedWorld({ images: ["tiny"] });

/** Cells of a table, the header first. */
const cells = (table: string): string[][] =>
  table.split("\n").map((line) => line.split(/ {2,}/).map((cell) => cell.trim()));

describe("top", () => {
  test("shows the container's processes with its own numbers and names", async () => {
    const { world } = shared;
    await using box = await runBox(world, "sleep 1001 & exec sleep 1000", "--user", "app");
    const listed = await until("both programs run", async () => {
      const text = await world.ok("top", box.id);
      return /sleep 1000/.test(text) && /sleep 1001/.test(text) && text;
    });
    const [header, ...rows] = cells(listed);
    expect(header).toEqual(["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"]);
    expect(rows.map((row) => [row[0], row[1], row[2], row[7]])).toEqual([
      ["app", "1", "0", "sleep 1000"],
      ["app", expect.any(String), "1", "sleep 1001"],
    ]);
  });

  test.each<[string, string[], (string | RegExp)[]]>([
    [
      "pid hpid state nice",
      ["PID", "HPID", "STATE", "NI"],
      ["1", /^\d+$/, /^[SR]$/, String(getPriority())],
    ],
    ["user,uid,group,huser", ["USER", "UID", "GROUP", "HUSER"], ["root", "0", "root", /./]],
    ["seccomp capbnd", ["SECCOMP", "BOUNDING CAPS"], ["filter", /CHOWN/]],
    ["%p %a", ["PID", "COMMAND"], ["1", "sleep 1000"]],
    ["-ef", ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"], ["0", "1", "0"]],
    [
      "aux",
      ["USER", "PID", "%CPU", "%MEM", "VSZ", "RSS", "TTY", "STAT", "START", "TIME", "COMMAND"],
      ["root", "1"],
    ],
    ["-o pid,comm", ["PID", "COMMAND"], ["1", "sleep"]],
    ["-eo pid,args", ["PID", "COMMAND"], ["1", "sleep 1000"]],
  ])("%s", async (words, header, first) => {
    const { world } = shared;
    await using box = await runProgram(world, "sleep", "1000");
    const [titles, row] = cells(await world.ok("top", box.id, ...words.split(" ")));
    expect(titles).toEqual(header);
    first.forEach((cell, at) => expect(row?.[at]).toMatch(new RegExp(cell)));
  });

  test("follows no link of the container's to the host", async () => {
    const { world } = shared;
    const secret = `${world.home}/passwd`;
    writeFileSync(secret, "stolen:x:0:0::/:/bin/sh\n");
    for (const evil of [
      `ln -sf ${secret} /etc/passwd`,
      `mv /etc /old; ln -s ${world.home} /etc`,
      "rm /etc/passwd; mkfifo /etc/passwd",
      "rm /etc/passwd; mkdir /etc/passwd",
    ]) {
      await using box = await runBox(world, `${evil}; exec sleep 1000`, "--network", "none");
      await until("it is done", async () =>
        (await world.ok("exec", box.id, "cat", "/proc/1/comm")).includes("sleep"),
      );
      const table = await world.ok("top", box.id, "user", "pid");
      expect(table).not.toContain("stolen");
    }
  });

  test("of what does not run: a sentence", async () => {
    const { world } = shared;
    await using box = await createBox(world, "--name", "idle", "tiny", "true");
    const { exitCode, stderr } = await world.tspod(["top", "idle"]);
    expect([exitCode, stderr]).toEqual([125, expect.stringMatching(/"idle" is not running/)]);
    expect(box.id).toHaveLength(64);
    for (const words of ["foo", "pid foo", "pid,foo", "axo foo"]) {
      const { stderr: said } = await world.tspod(["top", "idle", ...words.split(" ")]);
      expect(said).toStartWith('Error: Unknown descriptor "foo"');
    }
  });
});

describe("stats", () => {
  grouped("counts what the kernel counts", async () => {
    const { world } = shared;
    await using box = await runBox(
      world,
      "while :; do :; done",
      "--name",
      "busy",
      "--network=none",
    );
    await using idle = await createBox(world, "--name", "idle", "tiny", "true");
    const text = await world.ok("stats", "--no-stream", "--format", "json", "busy");
    const row = JSON.parse(text) as Record<string, string>;
    expect(row).toMatchObject({ ID: box.id.slice(0, 12), Name: "busy", Container: "busy" });
    expect(Number.parseFloat(row.CPUPerc ?? "")).toBeGreaterThan(1);
    expect(row.PIDs).toBe("1");
    expect(row.MemUsage).toMatch(/^(--|[\d.]+[KM]?i?B) \/ [\d.]+[GTM]iB$/);
    expect(row.NetIO).toBe("0B / 0B");
    const table = await world.ok("stats", "--no-stream", "-a", "--no-trunc");
    expect(table).toMatch(
      /^CONTAINER ID +NAME +CPU % +MEM USAGE \/ LIMIT +MEM % +NET I\/O +BLOCK I\/O +PIDS\n/,
    );
    expect(table).toContain(idle.id);
    expect(table).toContain(box.id);
    expect(await world.ok("stats", "--no-stream", "--format", "{{.Name}}")).toBe("busy");
    const podmans = "{{.PIDS}} {{.NetInput}} {{.NetOutput}} {{.Up}} {{.CPUNano}} {{.Duration}}";
    expect(await world.ok("stats", "--no-stream", "--format", podmans)).toMatch(
      /^1 0B 0B \d+s [1-9]\d+ [1-9]\d+$/,
    );
  });

  test("goes on until its reader has seen enough", async () => {
    const { world } = shared;
    await using box = await runBox(world);
    const running = world.start(["stats", "-i", "0.01", "--format", "{{.ID}}", box.id]);
    const reader = running.stdout.getReader();
    let text = "";
    while (text.split("\n").length < 4) {
      text += new TextDecoder().decode((await reader.read()).value);
    }
    expect(new Set(text.trim().split("\n"))).toEqual(new Set([box.id.slice(0, 12)]));
    await reader.cancel();
    expect(await running.exited).toBe(0);
  });
});

describe("inspect", () => {
  test("has what scripts ask docker and podman for", async () => {
    const { world } = shared;
    await using box = await runBox(
      world,
      "sleep 1000",
      "--name",
      "seen",
      "-v",
      "data:/data:ro",
      "--init",
    );
    const asked: [string, string | RegExp][] = [
      [
        "{{.State.Running}} {{.State.Paused}} {{.State.Restarting}} {{.State.Dead}}",
        "true false false false",
      ],
      ["{{.HostConfig.RestartPolicy.Name}} {{.RestartCount}}", "no 0"],
      ["{{.Config.Cmd}} {{.Config.Image}} {{.Path}}", "[sh -c sleep 1000] tiny sh"],
      [
        "{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}}{{end}}",
        "volume data /data false",
      ],
      [
        "{{.HostConfig.Binds}} {{.HostConfig.Init}} {{.HostConfig.NetworkMode}}",
        "[data:/data:ro] true private",
      ],
      ["{{.GraphDriver.Name}} {{.GraphDriver.Data.UpperDir}}", /^overlay \//],
      [
        "{{range $k, $v := .NetworkSettings.Networks}}{{$k}}={{$v.IPAddress}}{{end}}",
        /^private=(10\.0\.2\.100)?$/,
      ],
      ["{{json .NetworkSettings.Ports}} {{len .ExecIDs}}", "{} 0"],
      ["{{.Name}} {{slice .Id 0 12}}", `seen ${box.id.slice(0, 12)}`],
      ["{{index .Config.Env 0}}", /^PATH=/],
      ["{{.LogPath}}", /\/log$/],
      ["{{.State.OciVersion}} {{.OCIRuntime}} {{.Platform}}", /^1\.\d\.\d tspod linux$/],
    ];
    for (const [format, expected] of asked) {
      const shown = await world.ok("inspect", "--format", format, "seen");
      if (typeof expected === "string") expect([format, shown]).toEqual([format, expected]);
      else expect(shown).toMatch(expected);
    }
    expect(await world.ok("container", "inspect", "-f", "{{.Name}}", "seen")).toBe("seen");
    expect(await world.ok("inspect", "--latest", "-f", "{{.Name}}")).toBe("seen");
    expect((await world.tspod(["container", "inspect", "tiny"])).exitCode).toBe(125);
    expect(await inspectOne(world, "seen")).not.toHaveProperty("SizeRw");
  });

  test("--size counts what has been written, a file of two names once", async () => {
    const { world } = shared;
    await using box = await runBox(world, "head -c 5000 /dev/zero > /a; ln /a /b");
    await world.ok("wait", box.id);
    const format = "{{.SizeRw}} {{lt .SizeRw .SizeRootFs}}";
    expect(await world.ok("inspect", "-s", "-f", format, box.id)).toBe("5000 true");
  });
});

describe("exists and prune", () => {
  testWith(...registryPrograms, subordinateIds)(
    "--size also counts what another user of the container keeps to himself",
    async () => {
      const { world } = shared;
      const script =
        "mkdir /own; head -c 5000 /dev/zero > /own/data; chown -R app /own; chmod 700 /own";
      const id = await world.ok("run", "-d", "tiny", "sh", "-c", script);
      await world.ok("wait", id);
      const size = await world.ok(
        "ps",
        "-a",
        "--size",
        "--filter",
        `id=${id}`,
        "--format",
        "{{.Size}}",
      );
      expect(size).toStartWith("5kB");
      await world.ok("rm", id);
    },
  );

  test("container exists answers by its exit code", async () => {
    const { world } = shared;
    await using box = await createBox(world, "--name", "there", "tiny");
    const code = async (name: string) =>
      (await world.tspod(["container", "exists", name])).exitCode;
    expect([await code("there"), await code(box.id), await code("nobody")]).toEqual([0, 0, 1]);
  });

  test("container prune takes what has ended and says what that was worth", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    await using running = await runBox(world);
    const ended = await runBox(world, "head -c 4000 /dev/zero > /tmp/x", "-l", "stage=test");
    await world.ok("wait", ended.id);
    const created = await createBox(world, "-l", "keep", "tiny");
    expect(await world.ok("container", "prune", "-f", "--filter", "until=1h")).toBe(
      "Total reclaimed space: 0B",
    );
    expect(await world.ok("container", "prune", "-f", "--filter", "label!=keep")).toBe(
      `Deleted Containers:\n${ended.id}\n\nTotal reclaimed space: 4kB`,
    );
    expect((await world.ok("ps", "-aq", "--no-trunc")).split("\n").sort()).toEqual(
      [running.id, created.id].sort(),
    );
  });

  test("system df and system prune", async () => {
    await using world = await makeWorld({ images: ["tiny", "layered"] });
    await using running = await runBox(world, "sleep 1000", "-v", "data:/data");
    await using idle = await createBox(world, "layered", "true");
    const table = cells(await world.ok("system", "df"));
    expect(table[0]).toEqual(["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
    expect(table.map((row) => row.slice(0, 3)).slice(1)).toEqual([
      ["Images", "2", "2"],
      ["Containers", "2", "1"],
      ["Local Volumes", "1", "1"],
    ]);
    const verbose = await world.ok("system", "df", "-v");
    expect(verbose).toMatch(/^Images space usage:\n\nREPOSITORY +TAG +IMAGE ID +CREATED +SIZE/);
    expect(verbose).toMatch(/VOLUME NAME +LINKS +SIZE\ndata +1 +0B$/);
    expect(await world.ok("system", "df", "--format", "{{.Type}}={{.Active}}")).toBe(
      "Images=2\nContainers=1\nLocal Volumes=1",
    );
    const every = JSON.parse(await world.ok("system", "df", "-v", "--format", "json"));
    expect(every).toMatchObject({
      Images: expect.arrayContaining([
        expect.objectContaining({ Repository: "layered", Tag: "latest", Containers: "1" }),
      ]),
      Containers: [{ ID: idle.id.slice(0, 12) }, { ID: running.id.slice(0, 12) }],
      Volumes: [{ Name: "data", Links: "1" }],
    });
    const names = "{{range .Volumes}}{{.Name}} {{end}}";
    expect(await world.ok("system", "df", "-v", "--format", names)).toBe("data ");
    expect(await world.ok("system", "prune", "-f")).toMatch(
      new RegExp(`^Deleted Containers:\n${idle.id}\n\nTotal reclaimed space: 0B$`),
    );
    const pruned = await world.ok("system", "prune", "-a", "-f");
    expect(pruned).toMatch(
      /^Deleted Images:\nuntagged: docker.io\/library\/layered:latest\ndeleted: sha256:/,
    );
    expect(pruned).toMatch(/Total reclaimed space: \d[\d.]*k?M?B$/);
    expect(await world.ok("images", "--format", "{{.Repository}}")).toBe("tiny");
    expect(running.id).toHaveLength(64);
  });
});
