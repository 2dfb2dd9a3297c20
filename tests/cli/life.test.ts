/** The values of --restart, --timeout and --health-*. */
import { describe, expect, test } from "bun:test";
import { lifeFlags, lifeOptions } from "../../src/cli/options/life.ts";
import { parseRestart } from "../../src/cli/options/life-values.ts";
import { parseArguments } from "../../src/cli/parse.ts";

const parse = (...words: string[]) => {
  const rules = { command: "tspod run", stopsAtArgument: true };
  return lifeOptions({
    ...parseArguments(words, lifeFlags, rules).flags,
    rm: false,
    tty: false,
  });
};

test("nothing asked for is nothing recorded", async () => {
  expect(await parse()).toEqual({});
});

test.each([
  ["no", "no", 0],
  ["", "no", 0],
  ["always", "always", 0],
  ["unless-stopped", "unless-stopped", 0],
  ["on-failure", "on-failure", 0],
  ["on-failure:5", "on-failure", 5],
] as const)("parseRestart(%j)", (text, policy, retriesMax) => {
  expect(parseRestart(text)).toEqual({ policy, retriesMax });
});

describe("health", () => {
  test.each([
    ["curl x", ["CMD-SHELL", "curl x"]],
    ["none", ["NONE"]],
    ['["curl", "x"]', ["CMD", "curl", "x"]],
    ['["CMD-SHELL", "curl x"]', ["CMD-SHELL", "curl x"]],
    ["[ -f /ok ]", ["CMD-SHELL", "[ -f /ok ]"]],
  ])("--health-cmd %j", async (text, words) => {
    expect((await parse("--health-cmd", text)).life?.health?.test).toEqual(words);
  });

  test("times are Go's; disable means that nobody asks by himself", async () => {
    const { life } = await parse("--health-interval=disable", "--health-timeout", "1m30s");
    expect(life?.health).toMatchObject({ intervalMs: 0, timeoutMs: 90_000, retries: null });
  });
});

test.each([
  [["--restart", "sometimes"], 'Invalid --restart "sometimes"'],
  [["--restart", "on-failure:-1"], 'Invalid --restart "on-failure:-1"'],
  [["--restart", "always:1"], 'Invalid --restart "always:1"'],
  [["--timeout", "1.5"], 'Invalid --timeout "1.5"'],
  [["--health-cmd", ""], "--health-cmd is empty"],
  [["--health-interval", "3"], 'Invalid --health-interval "3"'],
  [["--health-interval", "1us"], 'Invalid --health-interval "1us"'],
  [["--health-retries", "0"], 'Invalid --health-retries "0"'],
  [["--health-on-failure", "cry"], 'Invalid --health-on-failure "cry"'],
  [["--no-healthcheck", "--health-cmd", "x"], "Cannot combine --no-healthcheck"],
  [["--sdnotify", "x"], 'Invalid --sdnotify "x"'],
])("%j is refused", async (words, message) => {
  expect(parse(...words)).rejects.toThrow(message);
});
