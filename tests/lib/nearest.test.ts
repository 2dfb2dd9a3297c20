/** "Did you mean": close words are found, far ones are not offered. */
import { describe, expect, test } from "bun:test";
import { editDistance, nearest, nearestFew } from "../../src/lib/nearest.ts";

const flags = ["--name", "--network", "--volume", "--env", "--env-file", "--rm", "-v", "-e"];
const commands = ["run", "rm", "rmi", "ps", "pull", "push", "images", "image", "inspect", "info"];

describe("nearest()", () => {
  test.each([
    ["--nam", "--name"],
    ["--naem", "--name"],
    ["--vol", "--volume"],
    ["--netwrok", "--network"],
    ["--NAME", "--name"],
    ["--envfile", "--env-file"],
    ["--xyzzy", undefined],
    ["--", undefined],
    ["-x", undefined],
  ])("%s -> %p among flags", (word, expected) => {
    expect(nearest(word, flags)).toBe(expected);
  });

  test.each([
    ["rnu", "run"],
    ["imga", "image"],
    ["imgaes", "images"],
    ["insp", "inspect"],
    ["pul", "pull"],
    ["container", undefined],
    ["", undefined],
  ])("%s -> %p among commands", (word, expected) => {
    expect(nearest(word, commands)).toBe(expected);
  });

  test("says nothing of a word nobody could have meant", () => {
    expect(nearest("x".repeat(100_000), flags)).toBeUndefined();
    expect(nearest("name", ["n".repeat(100_000)])).toBeUndefined();
  });
});

test("nearestFew() lists the closest first", () => {
  expect(nearestFew("Name", ["Status", "Names", "name", "NameSpace", "Image"], 3)).toEqual([
    "name",
    "Names",
    "NameSpace",
  ]);
});

test("editDistance() counts a swap of neighbours once and is symmetric", () => {
  expect(editDistance("run", "rnu")).toBe(1);
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("sitting", "kitten")).toBe(3);
});
