/**
 * Which room may import which. A room is a directory of src; others reach it by its doors. The numbers are the floors:
 * a room imports from lower floors only, and from its own floor only where `neighbours` says so.
 */
import { describe, expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { projectFiles, readProjectFile } from "./support/tree.ts";

const floors: Record<string, number> = {
  ...{ errors: 0, version: 0, lib: 0, oci: 0 },
  ...{ registry: 1, store: 1, spec: 1, helper: 1, host: 1 },
  ...{ image: 2, network: 2, volume: 2, container: 2 },
  ...{ build: 3, compose: 3, kube: 3 },
  ...{ engine: 4 },
  ...{ cli: 5, api: 5 },
  ...{ main: 6 },
};

const neighbours: Record<string, string[]> = {
  container: ["image", "network", "volume"],
  oci: ["errors"],
  lib: ["errors"],
};

/** Files other than index.ts that other rooms may import, and why. */
const doors: Record<string, string[]> = {
  lib: ["*"], // small files without domain words: each is its own door
  oci: ["*"], // pure nouns
  // one file a table, and where things lie; what is private to a table is not exported
  store: [
    "paths.ts",
    "database.ts",
    "runtime-directory.ts",
    "images.ts",
    "image-sayings.ts",
    "containers.ts",
    "volumes.ts",
    "networks.ts",
    "events.ts",
    "secrets.ts",
    "layers.ts",
    "content.ts",
    "ingest-file.ts",
    "leases.ts",
    "wait.ts",
    "image-writes.ts",
    "manifest-lists.ts",
    "artifacts.ts",
    "index-file.ts",
    "trash.ts",
    "at-rest.ts",
  ],
  image: ["make.ts"], // what makes images: nobody else should load it
  // what one command does, loaded with that command
  container: [
    "filters.ts",
    "pause.ts",
    "restart.ts",
    "rename.ts",
    "remove.ts",
    "wait.ts",
    "update.ts",
    "update-restart.ts",
    "update-environment.ts",
    "update-health.ts",
    "top.ts",
    "stats.ts",
    "sizes.ts",
    "read-events.ts",
    "event-filters.ts",
    "prune.ts",
    "system-prune.ts",
    "disk-usage.ts",
    "inspect.ts",
    "ports.ts",
    "requires.ts",
    "connect.ts",
    "update-network.ts",
    "network-faults.ts",
  ],
  network: ["show.ts", "records.ts"], // what ps needs of it, and nothing else; what is about those that are created
  host: ["subnets.ts"], // what only the making of a network asks
  helper: ["contract.ts"], // the types of the files that TypeScript and Zig exchange
};

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const statement = new RegExp(
  [
    /(?:^|\n)\s*(?:import|export)(\s+type)?\s[^;"]*?from\s+"(\.[^"]+)"/,
    /import\("(\.[^"]+)"\)/,
    /(?:^|\n)import\s+"(\.[^"]+)"/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "g",
);

function importsOf(path: string): Import[] {
  return [...readProjectFile(path).matchAll(statement)].map((match) => ({
    from: path,
    to: normalize(join(dirname(path), match[2] ?? match[3] ?? match[4] ?? "")),
    typeOnly: match[1] !== undefined,
  }));
}

/** "src/store/paths.ts" -> "store", "src/errors.ts" -> "errors". */
function roomOf(path: string): string {
  const [, second = ""] = path.split("/");
  return second.replace(/\.ts$/, "");
}

const imports = projectFiles("src/**/*.ts").flatMap(importsOf);
const between = imports.filter(
  ({ from, to }) => to.startsWith("src/") && roomOf(from) !== roomOf(to),
);
const show = ({ from, to }: Import): string => `${from} -> ${to}`;

describe("rooms", () => {
  test("every room has a floor", () => {
    const rooms = new Set(projectFiles("src/**/*.ts").map(roomOf));
    expect([...rooms].filter((room) => !(room in floors))).toEqual([]);
  });

  test("imports go down, or to a named neighbour", () => {
    const wrong = between.filter(({ from, to }) => {
      const [here, there] = [roomOf(from), roomOf(to)];
      if (isDoor(to, "contract.ts")) return false;
      if (neighbours[here]?.includes(there)) return false;
      return !((floors[there] ?? 99) < (floors[here] ?? -1));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("a room is entered by its doors", () => {
    const wrong = between.filter(({ to }) => {
      const [, room = "", ...rest] = to.split("/");
      const file = rest.join("/");
      if (file === "" || file === "index.ts") return false;
      const open = doors[room] ?? [];
      return !open.includes("*") && !open.includes(file);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("the program does not import its tests", () => {
    expect(imports.filter(({ to }) => to.startsWith("tests/")).map(show)).toEqual([]);
  });
});

function isDoor(path: string, file: string): boolean {
  const [, room = "", ...rest] = path.split("/");
  return rest.join("/") === file && (doors[room]?.includes(file) ?? false);
}

describe("Zig", () => {
  const zigImports = projectFiles("zig/src/**/*.zig").flatMap((path) =>
    [...readProjectFile(path).matchAll(/@import\("([^"]+\.zig)"\)/g)].map(([, target = ""]) => ({
      from: path,
      to: normalize(join(dirname(path), target)),
      typeOnly: false,
    })),
  );

  test("nothing imports main", () => {
    expect(zigImports.filter(({ to }) => to === "zig/src/main.zig").map(show)).toEqual([]);
  });

  test("net/ and layer/ know only themselves, the system calls and the events", () => {
    const shared = ["sys", "event", "userns"].map((name) => `zig/src/${name}.zig`);
    const wrong = zigImports.filter(({ from, to }) => {
      const room = /^zig\/src\/(net|layer)\//.exec(from)?.[0];
      return room !== undefined && !to.startsWith(room) && !shared.includes(to);
    });
    expect(wrong.map(show)).toEqual([]);
  });

  test("hello is its own program", () => {
    const isHello = (path: string): boolean => /^zig\/src\/hello(\/|\.zig)/.test(path);
    const crossing = zigImports.filter(({ from, to }) => isHello(from) !== isHello(to));
    expect(crossing.map(show)).toEqual([]);
  });
});
