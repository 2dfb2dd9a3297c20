/** /proc/PID/limits, as the kernel writes it. */
import { expect, test } from "bun:test";
import { callerLimits, limitNames, ownLimits, parseLimits } from "../../src/host/index.ts";

const text = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max stack size            8388608              unlimited            bytes
Max open files            1024                 1048576              files
Max nice priority         0                    0
Max shoe size             1                    2                    feet
`;

test("parseLimits()", () => {
  expect(parseLimits(text)).toEqual({
    cpu: { soft: Infinity, hard: Infinity },
    stack: { soft: 8_388_608, hard: Infinity },
    nofile: { soft: 1024, hard: 1_048_576 },
    nice: { soft: 0, hard: 0 },
  });
});

test("this kernel tells all of them", () => {
  expect(Object.keys(ownLimits()).toSorted()).toEqual(limitNames.toSorted());
  expect(Object.keys(callerLimits()).toSorted()).toEqual(limitNames.toSorted());
});
