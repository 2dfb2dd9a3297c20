/** rmi: names, ids, what containers hold, what others share; finding and listing what is there. */
import { describe, expect } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  ensureBuiltin,
  ensureImage,
  findImage,
  listImages,
  pullImage,
  recoverContent,
  removeImage,
} from "../../src/image/index.ts";
import { familiarReference, parseReference } from "../../src/oci/index.ts";
import { nameImage } from "../../src/store/image-writes.ts";
import { keepLease } from "../../src/store/leases.ts";
import { failureOf, helperBuilt, makeStore, type TestStore } from "../support/image-store.ts";
import { tarOf } from "../support/oci-image.ts";
import { testWith } from "../support/requirements.ts";
import { scriptedImage, startScriptedRegistry } from "../support/scripted-registry.ts";

const test = testWith(helperBuilt);

function filesOf({ context: { paths } }: TestStore): { layers: number; blobs: number } {
  const count = (directory: string): number => readdirSync(directory).length;
  return { layers: count(paths.layers), blobs: count(paths.blobs) };
}

function addContainer({ context }: TestStore, name: string, imageId: string): void {
  context.database
    .query(
      `INSERT INTO container (id, name, image_id, image_name, command, labels, options, auto_remove, created_at, creator)
       VALUES (?, ?, ?, 'x', '[]', '{}', '{}', 0, '2024-01-01T00:00:00Z', '1:1:x')`,
    )
    .run(name.padEnd(64, "0"), name, imageId);
}

describe("removeImage()", () => {
  test("takes the image with its only name, and all its files", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    const { id } = await pullImage(store.context, "app");
    expect(filesOf(store)).toEqual({ layers: 1, blobs: 3 });
    expect(await removeImage(store.context, "app")).toEqual({
      ...{ untagged: ["docker.io/library/app:latest"], deleted: id },
    });
    expect(filesOf(store)).toEqual({ layers: 0, blobs: 0 });
    await store.clean();
    expect(await failureOf(removeImage(store.context, "app"))).toMatchObject({
      ...{
        code: "image.not_found",
        text: expect.stringContaining('Cannot find image "app"') as string,
      },
    });
  });

  test("what somebody is using goes when they have ended", async () => {
    const image = await scriptedImage();
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore({ mirror: registry.address });
    const { layers } = await pullImage(store.context, "app");
    const hex = image.digests.config.slice("sha256:".length);
    {
      using _layer = keepLease(store.context.database, `keep:layer:${layers[0] ?? ""}`);
      using _blob = keepLease(store.context.database, `keep:blob:${hex}`);
      await removeImage(store.context, "app");
      await recoverContent(store.context);
      expect(filesOf(store)).toEqual({ layers: 1, blobs: 1 });
    }
    await recoverContent(store.context);
    expect(filesOf(store)).toEqual({ layers: 0, blobs: 0 });
  });

  test("keeps the layers another image stands on", async () => {
    const base = await tarOf([{ path: "base", content: "base" }]);
    const top = await tarOf([{ path: "top", content: "top" }]);
    await using small = await startScriptedRegistry(await scriptedImage({ layers: [base] }));
    await using large = await startScriptedRegistry(await scriptedImage({ layers: [base, top] }));
    await using store = makeStore();
    await pullImage(store.context, `${small.address}/small`);
    const { layers } = await pullImage(store.context, `${large.address}/large`);
    expect(large.count("/blobs/")).toBe(2); // the config and the upper layer
    expect(filesOf(store).layers).toBe(2);
    await removeImage(store.context, `${small.address}/small`);
    expect(filesOf(store).layers).toBe(2);
    expect(layers.every((chain) => existsSync(join(store.context.paths.layers, chain)))).toBe(true);
    await removeImage(store.context, `${large.address}/large`);
    expect(filesOf(store)).toEqual({ layers: 0, blobs: 0 });
  });

  test("of several names takes the one given; an id with several names needs force", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    const { id } = await pullImage(store.context, "app");
    nameImage(store.context.database, id, { reference: "localhost/mine:1", digest: "" });
    const short = id.slice(7, 19);
    expect(findImage(store.context, short)?.id).toBe(id);
    const refusal = await failureOf(removeImage(store.context, short));
    expect(refusal).toMatchObject({ code: "image.in_use" });
    expect(refusal.text).toContain("app:latest, localhost/mine:1");
    expect(await removeImage(store.context, "app")).toMatchObject({ deleted: undefined });
    expect((await removeImage(store.context, id)).deleted).toBe(id);
  });

  test("says which container stands on it; with force the name goes and the layers stay", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    const { id } = await pullImage(store.context, "app");
    addContainer(store, "web", id);
    const refusal = await failureOf(removeImage(store.context, "app"));
    expect(refusal.code).toBe("image.in_use");
    expect(refusal.text).toContain('container "web"');
    expect(await removeImage(store.context, "app", { force: true })).toEqual({
      ...{ untagged: ["docker.io/library/app:latest"], deleted: undefined },
    });
    expect(filesOf(store).layers).toBe(1);
    expect(listImages(store.context).map(({ names }) => names)).toEqual([[]]);
    expect((await failureOf(removeImage(store.context, id, { force: true }))).code).toBe(
      "image.in_use",
    );
    store.context.database.run("DELETE FROM container");
    expect((await removeImage(store.context, id)).deleted).toBe(id);
    expect(filesOf(store)).toEqual({ layers: 0, blobs: 0 });
  });
});

describe("findImage()", () => {
  test("by name, short name, digest, id and its beginning", async () => {
    const image = await scriptedImage();
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore({ mirror: registry.address });
    const { id } = await pullImage(store.context, "app:1");
    const words = [
      ...["app:1", "library/app:1", "docker.io/app:1", "docker.io/library/app:1"],
      ...[`app@${image.digests.manifest}`, id, id.slice(7), id.slice(7, 13), id.slice(0, 20)],
    ];
    const found = words.map((word) => findImage(store.context, word)?.id);
    expect(found).toEqual(words.map(() => id));
    const others = [
      "app",
      "app:2",
      "other:1",
      "localhost/app:1",
      `other@${image.digests.manifest}`,
    ];
    expect(others.map((word) => findImage(store.context, word)?.id)).toEqual(
      others.map(() => undefined),
    );
  });
});

describe("ensureImage()", () => {
  test("follows the policy", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    const missing = await failureOf(ensureImage(store.context, "app", { pull: "never" }));
    expect(missing).toMatchObject({ code: "image.not_found" });
    expect(missing.text).toContain("tspod pull app");
    await ensureImage(store.context, "app");
    const asked = registry.requests.length;
    await ensureImage(store.context, "app", { pull: "never" });
    expect(registry.requests.length).toBe(asked);
    await ensureImage(store.context, "app", { pull: "always" });
    expect(registry.requests.length).toBe(asked + 1);
    await registry[Symbol.asyncDispose]();
    expect((await ensureImage(store.context, "app", { pull: "newer" })).id).toStartWith("sha256:");
    expect(store.warnings.join()).toContain('Cannot ask for a newer "app"');
    expect((await failureOf(ensureImage(store.context, "app", { pull: "always" }))).code).toBe(
      "registry.unreachable",
    );
  });

  test("wants the platform that was asked for, and warns of another that was not", async () => {
    const image = await scriptedImage({ config: { architecture: "riscv64" } });
    await using registry = await startScriptedRegistry(image);
    await using store = makeStore({ mirror: registry.address });
    await ensureImage(store.context, "app");
    expect(store.warnings.join()).toContain("is for linux/riscv64");
    const asked = await failureOf(ensureImage(store.context, "app", { platform: "linux/s390x" }));
    expect(asked.code).toBe("image.no_platform");
    expect(asked.text).toContain("linux/riscv64");
    const host = await ensureImage(store.context, "app", { platform: "linux/riscv64" });
    expect(host.config.platform.architecture).toBe("riscv64");
  });
});

describe("ensureBuiltin()", () => {
  const program = new TextEncoder().encode("not really a program");

  test("stores the carried image, which plain names find until somebody pulls one", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    const image = await ensureBuiltin(store.context, program);
    expect(image.config.entrypoint).toEqual(["/hello"]);
    expect(await ensureBuiltin(store.context, program)).toEqual(image);
    expect(findImage(store.context, "hello")?.id).toBe(image.id);
    expect(registry.requests).toEqual([]);
    const pulled = await pullImage(store.context, "hello");
    expect(findImage(store.context, "hello")?.id).toBe(pulled.id);
    expect(findImage(store.context, "localhost/hello")?.id).toBe(image.id);
    const [newer, names] = [
      await ensureBuiltin(store.context, program.slice(1)),
      listImages(store.context),
    ];
    expect(newer.id).not.toBe(image.id);
    expect(names.flatMap((record) => record.names).length).toBe(2);
  });

  test("run asks for it without a registry", async () => {
    await using store = makeStore({ registriesConf: "" });
    const context = { ...store.context, builtinProgram: () => Promise.resolve(program) };
    expect((await ensureImage(context, "hello")).reference).toBe("localhost/hello:latest");
    expect(familiarReference(parseReference("localhost/hello"))).toBe("localhost/hello:latest");
  });
});

describe("recoverContent()", () => {
  test("removes what nobody answers for and nothing else", async () => {
    await using registry = await startScriptedRegistry(await scriptedImage());
    await using store = makeStore({ mirror: registry.address });
    await pullImage(store.context, "app");
    const { paths, database } = store.context;
    const strange = "f".repeat(64);
    await Bun.$`mkdir -p ${paths.layers}/${strange}/diff ${paths.layers}/.tmp-${strange}-1-1/diff`;
    database.run("INSERT INTO lease (owner, resource) VALUES ('1:1:another boot', 'make:layer:x')");
    await recoverContent(store.context);
    expect(filesOf(store)).toEqual({ layers: 1, blobs: 3 });
    await store.clean();
    expect(database.query("SELECT * FROM lease").all()).toEqual([]);
  });
});
