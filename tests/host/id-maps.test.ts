/** Id maps: podman's way to count one's ids, cut along the ranges the host gave. */
import { describe, expect, test } from "bun:test";
import {
  countIds,
  hostLines,
  type IdLine,
  keepIdLines,
  ownId,
  subordinateLines,
} from "../../src/host/id-maps.ts";
import { random } from "../support/random.ts";

/** Uid 1000, and two subordinate ranges. */
const base = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100_000, size: 1000 },
  { containerID: 1001, hostID: 500_000, size: 64_000 },
];
const show = (lines: { containerID: number; hostID: number; size: number }[]) =>
  lines.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`);
const show2 = (lines: IdLine[]) =>
  lines.map(({ containerID, own, size }) => `${containerID}:${own}:${size}`);

describe("keepIdLines()", () => {
  test.each<[number, string[]]>([
    [1000, ["0:1:1000", "1000:0:1", "1001:1001:64000"]],
    [0, ["0:0:1", "1:1:65000"]],
    [1, ["0:1:1", "1:0:1", "2:2:64999"]],
    [65_000, ["0:1:65000", "65000:0:1"]],
    [70_000, ["0:1:65000", "70000:0:1"]],
  ])("of %p", (id, expected) => {
    expect(show2(keepIdLines(base, id))).toEqual(expected);
  });

  test("with one id there is only that", () => {
    expect(show2(keepIdLines(base.slice(0, 1), 1000))).toEqual(["1000:0:1"]);
  });

  test("a size limits all of it", () => {
    expect(show2(keepIdLines(base, 5, 11))).toEqual(["0:1:5", "5:0:1", "6:6:5"]);
  });
});

describe("hostLines()", () => {
  test("cuts lines along the host's ranges", () => {
    expect(show(hostLines(keepIdLines(base, 1000), base, "uid"))).toEqual([
      ...["0:100000:1000", "1000:1000:1", "1001:500000:64000"],
    ]);
    expect(show(hostLines(subordinateLines(500, 1000), base, "uid"))).toEqual([
      ...["0:100500:500", "500:500000:500"],
    ]);
  });

  test.each<[string, IdLine[], string]>([
    [
      "beyond what is there",
      [{ containerID: 0, own: 65_000, size: 2 }],
      "Cannot map the gid 65001",
    ],
    [
      "twice in the container",
      [
        { containerID: 0, own: 0, size: 10 },
        { containerID: 9, own: 20, size: 1 },
      ],
      "The gid 9 in the container is mapped twice",
    ],
    [
      "twice outside",
      [
        { containerID: 0, own: 5, size: 10 },
        { containerID: 20, own: 0, size: 6 },
      ],
      "The gid 5 of yours is mapped twice",
    ],
  ])("refuses %s", (_, lines, message) => {
    expect(() => hostLines(lines, base, "gid")).toThrow(message);
  });

  test("every id stays what it was, whatever the map", () => {
    const dice = random(7);
    for (let trial = 0; trial < 200; trial++) {
      const id = dice.below(70_000);
      const lines = keepIdLines(base, id);
      const mapped = hostLines(lines, base, "uid");
      expect(countIds(mapped)).toBe(countIds(base));
      for (const { containerID, hostID } of mapped) {
        const line = lines.find(
          (one) => containerID >= one.containerID && containerID < one.containerID + one.size,
        );
        expect(ownId(base, hostID)).toBe(
          (line?.own ?? NaN) + containerID - (line?.containerID ?? NaN),
        );
      }
    }
  });
});

test("ownId() is the place among one's ids", () => {
  expect([1000, 100_000, 500_001, 7].map((id) => ownId(base, id))).toEqual([0, 1, 1002, undefined]);
});
