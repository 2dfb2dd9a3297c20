/** Which of the ecosystem's files are read for a question: what cannot tell anything of it may even be broken. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRegistryRules, referencesOf } from "../../src/image/settings.ts";
import { formatReference } from "../../src/oci/index.ts";

const aliases = `[aliases]\n"app" = "registry.example/team/app"\n`;

test.each([
  ["an alias", aliases, "app:1", ["registry.example/team/app:1"], 0],
  ["an alias of another name", aliases, "other", ["docker.io/library/other:latest"], 0],
  ["a name with escapes", `[aliases]\n"\\u0061pp" = "q.io/app"\n`, "app", ["q.io/app:latest"], 0],
  ["a search list", `unqualified-search-registries = ["q.io"]\n`, "app", ["q.io/app:latest"], 0],
  ["a table of registries", `[[registry]]\nlocation = "q.io"\n`, "q.io/a", ["q.io/a:latest"], 1],
  [
    "one with spaces",
    `x = 1\n[[ "registry" ]]\nlocation = "q.io"\n`,
    "q.io/a",
    ["q.io/a:latest"],
    1,
  ],
  ["one in a line", `registry = [{ location = "q.io" }]\n`, "q.io/a", ["q.io/a:latest"], 1],
  [
    "one with escapes",
    `"\\u0072egistry" = [{ location = "q.io" }]\n`,
    "q.io/a",
    ["q.io/a:latest"],
    1,
  ],
])("%s is read", (_, text, name, references, ruleCount) => {
  const { read } = withConf(text);
  expect(read(name)).toEqual({ references, ruleCount });
});

test.each([
  ["of a registry", '[[registry]\nlocation = "q.io"\n', "q.io/a"],
  ["of a registry after something else", 'x = 1 [[registry]]\nlocation = "q.io"\n', "q.io/a"],
  ["of the name", '[aliases\n"app" = "q.io/app"\n', "app"],
])("a broken file that may tell %s is refused", (_, text, name) => {
  const { read } = withConf(text);
  expect(() => read(name)).toThrow(/^Cannot read .*registries\.conf/);
});

function withConf(text: string) {
  const home = mkdtempSync(join(tmpdir(), "tspod-conf-"));
  const path = join(home, "registries.conf");
  writeFileSync(path, text);
  const environment = { HOME: home, CONTAINERS_REGISTRIES_CONF: path };
  return {
    read(name: string) {
      try {
        return {
          references: referencesOf(environment, name).map(formatReference),
          ruleCount: readRegistryRules(environment).length,
        };
      } finally {
        rmSync(home, { recursive: true });
      }
    },
  };
}
