/** Templates on rows: lines, tables with headers, the whole list; and what the user reads when one is wrong. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../../../src/errors.ts";
import { formatRows } from "../../../../src/cli/output/format.ts";
import { formatObjects } from "../../../../src/cli/output/objects.ts";
import { renderRows, renderTable } from "../../../../src/cli/output/template/render.ts";

const rows = [
  { ID: "0123456789ab", Names: "web", Status: "Up 2 minutes", RunningFor: "2 minutes ago" },
  { ID: "ba9876543210", Names: "db", Status: "Exited (0) 1 hour ago", RunningFor: "3 weeks ago" },
];
const columns = [
  { header: "CONTAINER ID", field: "ID", cell: (row: (typeof rows)[0]) => row.ID },
  { header: "NAMES", field: "Names", cell: (row: (typeof rows)[0]) => row.Names },
];
const pipe = { isTerminal: false };

describe("formatRows()", () => {
  test("json is one object a line", async () => {
    const text = await formatRows("json", rows, columns);
    expect(
      text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(rows);
  });

  test.each(["table", "", "table "])("%j is the usual table", async (format) => {
    expect(await formatRows(format, rows, columns)).toBe(
      "CONTAINER ID   NAMES\n0123456789ab   web\nba9876543210   db\n",
    );
  });

  test("a template makes a line for each row", async () => {
    expect(await formatRows("{{.ID}}: {{.Names}}", rows, columns)).toBe(
      "0123456789ab: web\nba9876543210: db\n",
    );
    expect(await formatRows("{{json .}}", rows.slice(0, 1), columns)).toBe(
      `${JSON.stringify(rows[0])}\n`,
    );
  });

  test("table with a template has the known headers and aligned columns", async () => {
    expect(await formatRows("table {{.ID}}\\t{{.RunningFor}}\\t{{.Names}}", rows, columns)).toBe(
      [
        "CONTAINER ID   RUNNING FOR     NAMES",
        "0123456789ab   2 minutes ago   web",
        "ba9876543210   3 weeks ago     db",
        "",
      ].join("\n"),
    );
  });

  test("{{range .}} asks for the list itself", async () => {
    expect(await formatRows("{{range .}}{{.Names}} {{end}}", rows, columns)).toBe("web db ");
    expect(await formatRows("{{range $i, $c := .}}{{$i}}{{$c.Names}};{{end}}", rows, columns)).toBe(
      "0web;1db;",
    );
  });

  test("json cannot act on a terminal and keeps its value", async () => {
    const row = { ID: "\x9b2J\u202e\x1b[2J", Names: "", Status: "", RunningFor: "" };
    const text = await formatRows("json", [row], columns);
    expect(text).toMatch(/^[\x20-\x7e]*\n$/);
    expect(JSON.parse(text)).toEqual(row);
  });
});

describe("formatObjects()", () => {
  test("is a JSON array without a template", async () => {
    expect(await formatObjects(null, [{ a: 1 }])).toBe('[\n    {\n        "a": 1\n    }\n]\n');
    expect(await formatObjects("json", [])).toBe("[]\n");
  });

  test("is the template once for each", async () => {
    const objects = [{ State: { Pid: 1 } }, { State: { Pid: 2 } }];
    expect(await formatObjects("{{.State.Pid}}", objects)).toBe("1\n2\n");
    expect(await formatObjects("{{json .State}}", objects)).toBe('{"Pid":1}\n{"Pid":2}\n');
  });
});

describe("renderTable()", () => {
  const headers = { ID: "CONTAINER ID" };
  const header = (source: string): string => renderTable(source, [], headers);

  test.each([
    ["{{.ID}}\t{{.CreatedAt}}", "CONTAINER ID   CREATED AT\n"],
    ["{{.ID | upper}}\t{{truncate .Names 3}}", "CONTAINER ID   NAMES\n"],
    ['{{.Names | json}}\t{{index .Labels "a"}}\t{{len .Ports}}', "NAMES     LABELS    PORTS\n"],
    ['{{.Label "com.example.owner-name"}}', "owner name\n"],
    ["{{.State.ExitCode}}\t{{.IDMap}}", "EXIT CODE   ID MAP\n"],
    ["{{if .Running}}{{.Names}}{{end}}", "NAMES\n"],
    ["{{range .Ports}}{{.HostPort}}{{end}}", "HOST PORT\n"],
    ['{{printf "%.4s" .Names}}', "NAME\n"],
    ["{{with .State}}{{.Status}}{{end}}", "STATUS\n"],
    ['{{if eq .State "running"}}x{{else}}{{.State}}{{end}}', "STATE\n"],
  ])("%s is headed %j", (source, expected) => {
    expect(header(source)).toBe(expected);
  });

  test("a value cannot forge a row or drive the terminal, the author's own layout works", () => {
    const row = { ID: "1\n2\t3\x1b[31m", Names: ["a", "b"] };
    expect(renderTable("{{.ID}}\t{{range .Names}}{{println .}}{{end}}", [row], headers)).toBe(
      ["CONTAINER ID      NAMES", "1\\n2\\t3\\x1b[31m   a", "b", "", ""].join("\n"),
    );
  });
});

test("renderRows() keeps a terminal safe and a pipe exact", () => {
  const row = { ID: "\x1b[2J\u202e" };
  expect(renderRows("{{.ID}}", [row], pipe)).toBe("\x1b[2J\u202e\n");
  expect(renderRows("{{.ID}}", [row], { isTerminal: true })).toBe("\\x1b[2J\\u202e\n");
});

test("methods of a record take their arguments", () => {
  const labels: Record<string, string> = { a: "1" };
  const row = { Label: (name: string) => labels[name] ?? "", ID: "x" };
  expect(renderRows('{{.Label "a"}}{{.ID}}{{"a" | .Label}}', [row], pipe)).toBe("1x1\n");
  expect(() => renderRows("{{.Label}}", [row], pipe)).toThrow('".Label" needs 1 values, not 0');
  expect(() => renderRows("{{.ID 1}}", [row], pipe)).toThrow('".ID" takes no arguments');
});

test("what a map does not have is no value, what a record does not have is a mistake", () => {
  const row = { Labels: { a: "1" }, None: {}, Config: { Image: "x" }, Ports: { "80/tcp": [] } };
  const source =
    '{{.Labels.b}}|{{.None.b}}|{{.Ports.x}}|{{index .Labels "b"}}|{{index .None "b"}}|';
  expect(renderRows(source, [row], pipe)).toBe("<no value>|<no value>|<no value>|||\n");
  expect(() => renderRows("{{.Config.Imgae}}", [row], pipe)).toThrow('no field ".Imgae"');
});

test("a Map is a map", () => {
  const row = {
    Labels: new Map([
      ["b", "2"],
      ["a.x", "1"],
    ]),
  };
  expect(
    renderRows('{{index .Labels "a.x"}} {{.Labels.b}} {{.Labels}} {{json .Labels}}', [row], pipe),
  ).toBe('1 2 map[a.x:1 b:2] {"b":"2","a.x":"1"}\n');
});

describe("what is wrong is said in one sentence", () => {
  test.each([
    ["{{.Nmaes}}", 'column 3: no field ".Nmaes"', "did you mean .Names?"],
    [
      "{{.Foo}}",
      'column 3: no field ".Foo"',
      "the fields here are .ID, .Names, .RunningFor, .Status",
    ],
    ["{{.ID.Short}}", 'column 3: cannot take ".Short" of text', ""],
    ["{{.constructor}}", 'no field ".constructor"', ""],
    ["{{.__proto__}}", 'no field ".__proto__"', ""],
    ["{{trunacte .ID 3}}", 'column 3: unknown function "trunacte"', 'did you mean "truncate"?'],
    ["a {{$x}}", 'column 5: unknown variable "$x"', "declare it"],
    ["{{.ID", 'column 1: the "{{" has no "}}"', "Go template"],
    ["{{if .ID}}", "column 3: {{if}} without {{end}}", ""],
    ["{{end}}", "{{end}} without {{if}}, {{range}} or {{with}}", ""],
    ['{{"a}}', 'the text in " has no end', ""],
    ["{{truncate .ID}}", '"truncate" needs 2 values, not 1', ""],
    ["{{upper 3}}", '"upper": it wants text, not a number', ""],
    ['{{eq 1 "1"}}', '"eq": cannot compare a number with text', ""],
    ["{{index .ID 99}}", '"index": index 99 is out of range, there are 12 items', ""],
    ["{{range .ID}}{{end}}", "cannot range over text", ""],
    ["{{.ID |}}", "column 8: a value is missing", ""],
    ["{{call .ID}}", 'unknown function "call"', ""],
  ])("%s", (source, message, next) => {
    const error = refused(() => renderRows(source, rows, pipe));
    expect(error.code).toBe("usage");
    expect(error.message).toContain(message);
    expect(error.message).toStartWith("Invalid --format at column ");
    expect(error.next).toContain(next);
  });
});

describe("where there are no rows", () => {
  const fields = ["ID", "Names", "Ports", "Mounts", "Label"];

  test.each([
    ["{{.ID}} {{upper .Names}} {{slice .ID 0 3}} {{index .Ports 0}} {{len .Names}} {{json .}}"],
    ['{{.Label "a"}}{{if eq .ID "x"}}{{.Names}}{{else}}{{.Ports}}{{end}}'],
    ["{{with .Ports}}{{.Deeper}}{{end}}{{range $i, $m := .Mounts}}{{$m.Source}}{{end}}"],
    ['{{$x := .ID}}{{printf "%s" $x}}{{join .Mounts ","}}{{.Names | lower}}'],
    ["{{range .}}{{.ID}}{{end}}"],
  ])("what is right is still right: %s", (source) => {
    expect(renderRows(source, [], { ...pipe, fields })).toBe("");
    expect(renderTable(source, [], {}, { fields, isHeaderless: true }).trim()).toBe("");
  });

  test.each(["{{.Nmaes}}", "{{range .}}{{.Nmaes}}{{end}}", "{{if .Nmaes}}x{{end}}"])(
    "a field that there is not is told: %s",
    (source) => {
      for (const render of [
        () => renderRows(source, [], { ...pipe, fields }),
        () => renderTable(source, [], {}, { fields }),
      ]) {
        const error = refused(render);
        expect(error.message).toContain('no field ".Nmaes"');
        expect(error.next).toContain(".Names");
      }
    },
  );
});

test("where JSON cannot tell whole numbers from others we are kinder than Go", () => {
  expect(
    renderRows('{{printf "%.1f" 3}} {{eq 1 1.0}} {{lt 1 1.5}} {{prettyJson .}}', [{ a: 1 }], pipe),
  ).toBe('3.0 true true {\n    "a": 1\n}\n');
});

function refused(action: () => unknown): TspodError {
  try {
    action();
  } catch (error) {
    if (error instanceof TspodError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}
