/** Tables: aligned as docker does, fitted to the terminal, harmless whatever a name holds. */
import { describe, expect, test } from "bun:test";
import { alignCells } from "../../../src/cli/output/align.ts";
import { ellipsis, formatTable, type Column } from "../../../src/cli/output/table.ts";

interface Row {
  id: string;
  image: string;
  names: string;
}

const columns: Column<Row>[] = [
  { header: "CONTAINER ID", cell: (row) => row.id },
  { header: "IMAGE", cell: (row) => row.image, mayShrink: true },
  { header: "NAMES", cell: (row) => row.names },
];
const rows: Row[] = [
  { id: "0123456789ab", image: "alpine", names: "quiet_otter" },
  { id: "ba9876543210", image: "registry.example:5000/team/tool:v1.2.3", names: "db" },
];

describe("formatTable()", () => {
  test("lines columns up under their header as docker does", () => {
    expect(formatTable(columns, rows)).toBe(
      [
        "CONTAINER ID   IMAGE                                    NAMES",
        "0123456789ab   alpine                                   quiet_otter",
        "ba9876543210   registry.example:5000/team/tool:v1.2.3   db",
        "",
      ].join("\n"),
    );
  });

  test("prints the header alone when there is nothing, and nothing without a header", () => {
    expect(formatTable(columns, [])).toBe("CONTAINER ID   IMAGE     NAMES\n");
    expect(formatTable(columns, [], { isHeaderless: true })).toBe("");
  });

  test("shrinks only what may shrink, to fit the terminal", () => {
    const text = formatTable(columns, rows, { fitCells: 50 });
    expect(text).toBe(
      [
        "CONTAINER ID   IMAGE                   NAMES",
        "0123456789ab   alpine                  quiet_otter",
        "ba9876543210   registry.example:500…   db",
        "",
      ].join("\n"),
    );
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(50);
  });

  test("takes docker's spaces, too, where there is no other way: ps in 80 cells", () => {
    const texts: [string, string, boolean?][] = [
      ["CONTAINER ID", "0123456789ab"],
      ["IMAGE", "registry.example:5000/team/tool:v1.2.3", true],
      ["COMMAND", '"nginx -g \'daemon of…"', true],
      ["CREATED", "25 minutes ago"],
      ["STATUS", "Up 25 minutes"],
      ["PORTS", "0.0.0.0:8080->80/tcp", true],
      ["NAMES", "web", true],
    ];
    const ps = texts.map(([header, text, mayShrink = false]) => {
      return { header, cell: () => text, mayShrink };
    });
    expect(formatTable(ps, [null], { fitCells: 80 })).toBe(
      [
        "CONTAINER ID IMAGE      COMMAND    CREATED        STATUS        PORTS      NAMES",
        '0123456789ab registry.… "nginx -g… 25 minutes ago Up 25 minutes 0.0.0.0:8… web',
        "",
      ].join("\n"),
    );
  });

  test("stops shrinking where a column would say nothing", () => {
    expect(formatTable(columns, rows, { fitCells: 1 })).toContain("registr… db");
  });

  test("counts terminal cells, not characters", () => {
    const text = formatTable(columns, [
      { id: "日本語", image: "a", names: "wide" },
      { id: "e\u0301", image: "b", names: "combining" },
      { id: "🐳", image: "c", names: "emoji" },
    ]);
    const starts = text.split("\n").slice(1, -1);
    for (const line of starts) {
      expect(Bun.stringWidth(line.slice(0, line.search(/[abc] /)))).toBe("CONTAINER ID   ".length);
    }
  });

  test("a name cannot draw on the terminal or forge a row", () => {
    const names = "x\x1b[2J\n0123456789ab\tforged\u202egpj\x9b1m\u200b";
    const text = formatTable(columns, [{ id: "1", image: "i", names }]);
    expect(text.split("\n")).toHaveLength(3);
    expect(text).toContain(
      "x\\x1b[2J\\n0123456789ab\\tforged\\u202egpj\\x9b1m\\u200b".replace(/\\\\/g, "\\"),
    );
    expect(text).toMatch(/^[\x20-\x7e\n]*$/);
  });
});

describe("alignCells()", () => {
  // As Go 1.26's text/tabwriter does with (10, 1, 3, ' ') and with (0, 8, 1, ' ').
  test("pads blocks of neighbouring lines on their own", () => {
    const lines = [["a", "b", "c"], ["aaaaaaaaaaaaaa", "b"], ["no tab"], ["z", "y"], [""]];
    expect(alignCells(lines)).toEqual([
      "a                b         c",
      "aaaaaaaaaaaaaa   b",
      "no tab",
      "z         y",
      "",
    ]);
    expect(alignCells(lines, { paddingCells: 1, columnCellsMin: 0 })).toEqual([
      "a              b c",
      "aaaaaaaaaaaaaa b",
      "no tab",
      "z y",
      "",
    ]);
  });

  test("has room for very many lines", () => {
    const lines = Array.from({ length: 200_000 }, (_, index) => [`${index}`, "x"]);
    expect(alignCells(lines)[199_999]).toBe("199999    x");
  });

  test("of nothing is nothing", () => {
    expect(alignCells([])).toEqual([]);
  });
});

test("ellipsis() never cuts a wide character in half and never exceeds the width", () => {
  expect(ellipsis("alpine:latest", 8)).toBe("alpine:…");
  expect(ellipsis("alpine", 6)).toBe("alpine");
  expect(ellipsis("日本語", 4)).toBe("日…");
  expect(ellipsis("日本語", 1)).toBe("…");
  expect(ellipsis("x", 0)).toBe("");
});
