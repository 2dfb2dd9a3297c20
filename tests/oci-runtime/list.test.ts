/** list and spec: what there is, and a bundle to begin with. */
import { describe, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { RuntimeSpec } from "../../src/oci/runtime-spec.ts";
import { Runtime, runtimeTest } from "./runtime.ts";

describe("list", () => {
  runtimeTest("every container of this root, as a table, as JSON, as ids", async () => {
    await using runtime = new Runtime(["true"]);
    expect(await runtime.ok("list", "--quiet")).toBe("");
    expect(JSON.parse(await runtime.ok("list", "--format", "json"))).toEqual([]);
    await runtime.create("b");
    await runtime.create("a");
    mkdirSync(join(runtime.root, "damaged"));
    writeFileSync(join(runtime.root, "damaged/state.json"), "{");
    expect(await runtime.ok("list", "-q")).toBe("a\nb\ndamaged\n");
    const all = JSON.parse(await runtime.ok("list", "-f", "json")) as unknown[];
    expect(all).toMatchObject([
      { id: "a", status: "created", bundle: runtime.bundle, owner: userInfo().username },
      { id: "b", status: "created" },
    ]);
    const [head, ...rows] = (await runtime.ok("list")).trim().split("\n");
    expect(head).toMatch(/^ID +PID +STATUS +BUNDLE +CREATED +OWNER$/);
    expect(rows).toHaveLength(2);
    await runtime.ok("delete", "--force", "damaged");
  });
});

describe("spec", () => {
  runtimeTest("--rootless writes a config.json that runs", async () => {
    await using runtime = new Runtime();
    const directory = join(runtime.base, "other");
    runtime.makeBundle(directory, ["true"]);
    const again = await runtime.oci("spec", "--rootless", "--bundle", directory);
    expect(again).toMatchObject({ exitCode: 1 });
    const made = join(runtime.base, "made");
    mkdirSync(made);
    await runtime.ok("spec", "--rootless", "--bundle", made);
    const file = join(made, "config.json");
    const spec = (await Bun.file(file).json()) as RuntimeSpec; // written by the runtime
    Object.assign(spec.process, { args: ["id", "-u"], terminal: false });
    spec.process.env = ["PATH=/bin"];
    spec.root.path = join(runtime.bundle, "rootfs");
    writeFileSync(file, JSON.stringify(spec));
    expect(await runtime.ok("run", "-b", made, "c")).toBe("0\n");
  });
});
