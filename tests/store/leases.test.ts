/** Leases, work shared by processes, and blobs on their way in: what the store promises about content. */
import { describe, expect } from "bun:test";
import { existsSync, readFileSync, symlinkSync } from "node:fs";
import { TspodError } from "../../src/errors.ts";
import { digestOf } from "../../src/oci/index.ts";
import { blobPath, ingestPath, prepareContent, putBlob } from "../../src/store/content.ts";
import { IngestFile } from "../../src/store/ingest-file.ts";
import {
  dropLeases,
  hasLivingOwner,
  keepLease,
  leaveStray,
  listDeadLeases,
  tryLease,
} from "../../src/store/leases.ts";
import { shareWork } from "../../src/store/wait.ts";
import { makeStore } from "../support/image-store.ts";
import { testWith } from "../support/requirements.ts";

const test = testWith();

describe("leases", () => {
  test("one owner makes, any number keep, and the dead count for nothing", async () => {
    await using store = makeStore();
    const { database } = store.context;
    const made = tryLease(database, "make:blob:x");
    expect(made?.resource).toBe("make:blob:x");
    expect(tryLease(database, "make:blob:x")).toBeUndefined();
    made?.[Symbol.dispose]();
    tryLease(database, "make:blob:x")?.[Symbol.dispose]();
    const [first, second] = [
      keepLease(database, "keep:blob:x"),
      keepLease(database, "keep:blob:x"),
    ];
    first[Symbol.dispose]();
    expect(hasLivingOwner(database, "keep:blob:x")).toBe(true);
    second[Symbol.dispose]();
    expect(hasLivingOwner(database, "keep:blob:x")).toBe(false);
    const insert = "INSERT INTO lease (owner, resource) VALUES (?, 'make:blob:x')";
    database.query(insert).run("1:1:another boot");
    expect(listDeadLeases(database).length).toBe(1);
    expect(tryLease(database, "make:blob:x")).toBeDefined();
  });

  test("of the dead are dropped twice without harm: a living one may have the row's id by then", async () => {
    await using store = makeStore();
    const { database } = store.context;
    const insert = "INSERT INTO lease (owner, resource) VALUES (?, 'make:blob:x')";
    database.query(insert).run("1:1:another boot");
    const seenByBoth = listDeadLeases(database);
    dropLeases(database, seenByBoth);
    using lease = tryLease(database, "make:blob:x");
    expect(lease).toBeDefined();
    dropLeases(database, seenByBoth);
    expect(hasLivingOwner(database, "make:blob:x")).toBe(true);
  });

  test("a stray waits for those who use it", async () => {
    await using store = makeStore();
    const { database } = store.context;
    const found = (): string[] => listDeadLeases(database).map(({ resource }) => resource);
    {
      using _user = keepLease(database, "keep:layer:x");
      for (let times = 0; times < 2; times++) leaveStray(database, "layer", "x");
      expect(found()).toEqual([]);
    }
    expect(found()).toEqual(["stray:layer:x"]);
  });
});

describe("shareWork()", () => {
  test("makes once for all who want it at the same time; a failure is not shared", async () => {
    await using store = makeStore();
    const { database, signal, paths } = store.context;
    prepareContent(paths);
    let made = 0;
    const work = (find: () => string | undefined, make: () => Promise<string>): Promise<string> =>
      shareWork(database, signal, {
        ...{ resource: "make:blob:y", directory: paths.blobs },
        find,
        make,
      });
    const digest = digestOf("bytes");
    const path = blobPath(paths, digest);
    const read = (): string | undefined =>
      existsSync(path) ? readFileSync(path, "utf8") : undefined;
    const make = (): Promise<string> => {
      made++;
      if (made === 1) return Promise.reject(new Error("the first breaks"));
      putBlob(paths, "bytes");
      return Promise.resolve("bytes");
    };
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => work(read, make)));
    expect(results.filter(({ status }) => status === "rejected").length).toBe(1);
    expect(made).toBe(2);
  });
});

describe("IngestFile", () => {
  const bytes = Buffer.from("0123456789");
  const descriptor = { digest: digestOf(bytes), sizeBytes: bytes.length };

  test("goes on where an earlier one stopped, and becomes a blob", async () => {
    await using store = makeStore();
    const { paths } = store.context;
    prepareContent(paths);
    {
      using half = new IngestFile(paths, descriptor, () => undefined);
      half.write(bytes.subarray(0, 4));
    }
    const sizes: number[] = [];
    using rest = new IngestFile(paths, descriptor, (size) => sizes.push(size));
    rest.write(bytes.subarray(4));
    expect(sizes).toEqual([4, 10]);
    expect(rest.digest()).toBe(descriptor.digest);
    rest.commit(descriptor.digest);
    expect(readFileSync(blobPath(paths, descriptor.digest))).toEqual(bytes);
    expect(store.litter()).toEqual([]);
  });

  test("a full disk is said with what is missing", async () => {
    await using store = makeStore();
    const { paths } = store.context;
    prepareContent(paths);
    symlinkSync("/dev/full", ingestPath(paths, descriptor.digest));
    using ingest = new IngestFile(paths, { ...descriptor, sizeBytes: 2_000_000 }, () => undefined);
    try {
      ingest.write(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(TspodError);
      expect((error as TspodError).code).toBe("store.full");
      expect((error as TspodError).message).toContain("2MB more are needed");
      return;
    }
    throw new Error("it was written");
  });
});
