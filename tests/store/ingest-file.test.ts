/** A blob on its way in, with holes: what is here after each kind of interruption, and what is not believed. */
import { describe, expect, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { digestOf } from "../../src/oci/index.ts";
import { blobPath, ingestPath, prepareContent } from "../../src/store/content.ts";
import { IngestFile } from "../../src/store/ingest-file.ts";
import { makeStore, type TestStore } from "../support/image-store.ts";

const bytes = Buffer.from("0123456789abcdefghij");
const descriptor = { digest: digestOf(bytes), sizeBytes: bytes.length };

function open({ context: { paths } }: TestStore, told: number[][] = []): IngestFile {
  prepareContent(paths);
  return new IngestFile(paths, descriptor, (...sizes) => void told.push(sizes));
}

const put = (file: IngestFile, start: number, end: number): void =>
  file.writeAt(start, bytes.subarray(start, end));

describe("IngestFile", () => {
  test("takes pieces in any order and knows what is missing", async () => {
    await using store = makeStore();
    const told: number[][] = [];
    using file = open(store, told);
    put(file, 10, 15);
    put(file, 0, 3);
    put(file, 15, 17);
    expect(file.holes()).toEqual([
      { start: 3, end: 10 },
      { start: 17, end: 20 },
    ]);
    put(file, 3, 10);
    expect(file.sizeBytes).toBe(17);
    put(file, 17, 20);
    expect(told).toEqual([
      [0, 5],
      [3, 8],
      [3, 10],
      [17, 17],
      [20, 20],
    ]);
    expect(file.digest()).toBe(descriptor.digest);
    file.commit(descriptor.digest);
    expect(readFileSync(blobPath(store.context.paths, descriptor.digest))).toEqual(bytes);
    expect(store.litter()).toEqual([]);
  });

  test("a later one knows the holes, and goes on", async () => {
    await using store = makeStore();
    {
      using file = open(store);
      put(file, 0, 2);
      put(file, 8, 12);
    }
    using file = open(store);
    expect(file.holes()).toEqual([
      { start: 2, end: 8 },
      { start: 12, end: 20 },
    ]);
    put(file, 2, 8);
    put(file, 12, 20);
    expect(file.digest()).toBe(descriptor.digest);
  });

  test("without any hole it is a beginning, and has no notes", async () => {
    await using store = makeStore();
    const notes = `${ingestPath(store.context.paths, descriptor.digest)}.ranges`;
    {
      using file = open(store);
      put(file, 4, 8);
      put(file, 0, 4);
      expect(existsSync(notes)).toBe(true);
    }
    using file = open(store);
    expect(file.sizeBytes).toBe(8);
    expect(existsSync(notes)).toBe(false);
  });

  test.each([
    ["a line that was being written", (notes: string) => appendFileSync(notes, "12 2"), 12],
    ["what is beyond the file's end", (notes: string) => appendFileSync(notes, "12 19\n"), 12],
    ["nonsense", (notes: string) => appendFileSync(notes, "20 3\nx\n"), 12],
    ["nothing: not a beginning either", (notes: string) => writeFileSync(notes, ""), 0],
  ])("notes: %s is not believed", async (_, harm, size) => {
    await using store = makeStore();
    const path = ingestPath(store.context.paths, descriptor.digest);
    {
      using file = open(store);
      put(file, 8, 12);
      put(file, 0, 2);
    }
    harm(`${path}.ranges`);
    using file = open(store);
    expect(file.hereBytes).toBe(size === 0 ? 0 : 6);
  });

  test("a file that was cut short has what is left; one that is too long has nothing", async () => {
    await using store = makeStore();
    const path = ingestPath(store.context.paths, descriptor.digest);
    {
      using file = open(store);
      put(file, 0, 2);
      put(file, 8, 12);
    }
    truncateSync(path, 10);
    {
      using file = open(store);
      expect(file.holes()).toEqual([{ start: 2, end: 20 }]);
    }
    truncateSync(path, 30);
    using file = open(store);
    expect(file.hereBytes).toBe(0);
  });
});
