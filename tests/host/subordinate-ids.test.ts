/** /etc/subuid as people write it. */
import { describe, expect, test } from "bun:test";
import { parseSubordinateIds } from "../../src/host/subordinate-ids.ts";

describe("parseSubordinateIds()", () => {
  test("collects the ranges of a name and of a uid, in the file's order", () => {
    const text = "anna:100000:65536\nbob:165536:65536\n1000:300000:10\nanna:400000:5\n";
    expect(parseSubordinateIds(text, ["anna", "1000"])).toEqual([
      { start: 100000, count: 65536 },
      { start: 300000, count: 10 },
      { start: 400000, count: 5 },
    ]);
  });

  test.each([
    "anna",
    "anna:",
    "anna:1",
    "anna:x:1",
    "anna:1:0",
    "anna:-1:5",
    "anna:1.5:5",
    "anna:4294967295:2",
    "# anna:1:2",
  ])("skips %p", (line) => {
    expect(parseSubordinateIds(`${line}\nanna:5:6\n`, ["anna"])).toEqual([{ start: 5, count: 6 }]);
  });
});
