/** storePaths(): where things lie (XDG Base Directory Specification). */
import { userInfo } from "node:os";
import { expect, test } from "bun:test";
import { storePaths } from "../../src/store/paths.ts";

test("follows XDG, and falls back as it says", () => {
  const paths = storePaths({ HOME: "/home/anna", XDG_RUNTIME_DIR: "/run/user/7" }, 7);
  expect(paths).toMatchObject({
    data: "/home/anna/.local/share/tspod",
    runtime: "/run/user/7/tspod",
    cache: "/home/anna/.cache/tspod",
    config: "/home/anna/.config/tspod",
  });
});

test("ignores relative variables, and does without a runtime directory", () => {
  const paths = storePaths({ HOME: "/h", XDG_DATA_HOME: "data", XDG_RUNTIME_DIR: "run" }, 7);
  expect(paths).toMatchObject({ data: "/h/.local/share/tspod", runtime: "/tmp/tspod-7" });
});

test("TSPOD_ROOT moves the whole store", () => {
  const paths = storePaths({ HOME: "/h", TSPOD_ROOT: "/s", XDG_RUNTIME_DIR: "/run/user/7" }, 7);
  expect(paths).toMatchObject({ data: "/s/data", runtime: "/s/run", database: "/s/data/tspod.db" });
});

test("who has no HOME has that of /etc/passwd; who is not in there has /", () => {
  const { homedir, uid } = userInfo();
  expect(storePaths({}, uid).data).toBe(`${homedir}/.local/share/tspod`);
  expect(storePaths({ HOME: "relative" }, 4_000_000_000).data).toBe("/.local/share/tspod");
});

test("a relative TSPOD_ROOT is from where the command is run, not another store than was asked for", () => {
  expect(storePaths({ TSPOD_ROOT: "here" }, 7).data).toBe(`${process.cwd()}/here/data`);
  expect(storePaths({ TSPOD_ROOT: "", HOME: "/h" }, 7).data).toBe("/h/.local/share/tspod");
});
