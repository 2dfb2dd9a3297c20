/** `npm run check`: format, types, tidiness, layering. Nothing is built and no container is run. */
import { join } from "node:path";
import { bun, type Count, print, runStep, type Step, treeRoot, zig } from "./steps.ts";

const bin = (name: string): string => join(treeRoot, "node_modules/.bin", name);

export const checkSteps: Step[] = [
  { title: "prettier", command: [bin("prettier"), "--check", "."], quiet: true },
  { title: "zig fmt", command: [zig, "fmt", "--check", "zig"], quiet: true },
  { title: "types", command: [bin("tsc"), "--noEmit"], quiet: true },
  {
    title: "tidiness and layering",
    command: [bun, "test", "tests/tidy.test.ts", "tests/layering.test.ts"],
    quiet: true,
  },
];

export async function runSteps(steps: Step[]): Promise<Count> {
  let total: Count = { passed: 0, failed: 0, skipped: 0 };
  for (const step of steps) total = sum(total, await runStep(step));
  return total;
}

export function sum(one: Count, other: Count): Count {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

/** The closing line that CI reads, alone on its line. */
export function closingLine(count: Count): string {
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
  return `${count.passed} passed, ${count.failed} failed${skipped}`;
}

if (import.meta.main) {
  const total = await runSteps(checkSteps);
  print(closingLine(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
}
