/** requirePrivateRuntime(): a runtime directory that others can write to is refused. */
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { storePaths } from "../../src/store/paths.ts";
import { requirePrivateRuntime } from "../../src/store/runtime-directory.ts";

const scratch = (): string => mkdtempSync(join(tmpdir(), "tspod-runtime-"));
const at = (root: string) => ({ ...storePaths({ TSPOD_ROOT: root }, 1000) });

test("accepts nothing, and a directory of our own", () => {
  const paths = at(scratch());
  expect(requirePrivateRuntime(paths)).toBeUndefined();
  mkdirSync(paths.runtime, { mode: 0o700 });
  expect(requirePrivateRuntime(paths)).toBeUndefined();
});

test("refuses one that others can write to", () => {
  const paths = at(scratch());
  mkdirSync(paths.runtime);
  chmodSync(paths.runtime, 0o777);
  expect(() => requirePrivateRuntime(paths)).toThrow(`Cannot use "${paths.runtime}"`);
});

test("refuses a symbolic link, wherever it leads", () => {
  const root = scratch();
  const paths = at(root);
  mkdirSync(join(root, "elsewhere"), { mode: 0o700 });
  symlinkSync(join(root, "elsewhere"), paths.runtime);
  expect(() => requirePrivateRuntime(paths)).toThrow("only you can write to");
});

test("says where it may not look", () => {
  const root = scratch();
  writeFileSync(join(root, "file"), "");
  const paths = { ...at(root), runtime: join(root, "file/tspod") };
  expect(() => requirePrivateRuntime(paths)).toThrow(
    `Cannot look into "${join(root, "file")}" (ENOTDIR)`,
  );
});
