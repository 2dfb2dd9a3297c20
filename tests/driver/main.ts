/**
 * `npm test`: everything, as an ordinary user. Started as root it makes or uses one, gives it a copy of the tree and
 * goes on as that user. Words after `npm test --` choose test files and leave out the checks.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSteps } from "./build.ts";
import { checkSteps, closingLine, runSteps } from "./check.ts";
import { unexpectedSkips } from "./expected-skips.ts";
import { parseJunit } from "./junit.ts";
import { continueAsOrdinaryUser } from "./ordinary-user.ts";
import { bun, type Count, print, type Step, treeRoot, zig } from "./steps.ts";

/** Longer than anything but the kill and leak trials, which set their own. */
const testTimeoutMs = 60_000;

const chosen = process.argv.slice(2);
process.exitCode =
  process.getuid?.() === 0 ? await continueAsOrdinaryUser(treeRoot, chosen) : await runAll(chosen);

async function runAll(files: string[]): Promise<number> {
  const report = mkdtempSync(join(tmpdir(), "tspod-report-"));
  try {
    const unitTests: Step = {
      title: "Zig unit tests",
      command: [zig, "build", "test", "--summary", "all"],
      directory: join(treeRoot, "zig"),
      count: countZig,
    };
    const tests: Step = {
      title: "tests",
      command: [
        bun,
        "test",
        `--timeout=${testTimeoutMs}`,
        "--reporter=junit",
        `--reporter-outfile=${report}/junit.xml`,
        ...(files.length > 0 ? files : ["./tests"]),
      ],
      count: (_, exitCode) => countJunit(`${report}/junit.xml`, exitCode),
    };
    const before = files.length > 0 ? [] : checkSteps.filter((step) => !isTestStep(step));
    const total = await runSteps([
      ...before,
      ...buildSteps(),
      ...(files.length > 0 ? [] : [unitTests]),
      tests,
    ]);
    print(closingLine(total));
    return total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(report, { recursive: true, force: true });
  }
}

/** Tidiness and layering are tests too: they run once, with the others. */
function isTestStep(step: Step): boolean {
  return step.command[1] === "test";
}

/** `zig build --summary all` says "8/9 tests passed; 1 failed". */
function countZig(output: string, exitCode: number): Count {
  const [, passed = "0", all = "0"] = /(\d+)\/(\d+) tests passed/.exec(output) ?? [];
  const failed = Math.max(Number(all) - Number(passed), exitCode === 0 ? 0 : 1);
  return { passed: Number(passed), failed, skipped: 0 };
}

function countJunit(path: string, exitCode: number): Count {
  let xml = "";
  try {
    xml = readFileSync(path, "utf8");
  } catch {
    print(`   no report in ${path}: the test run itself broke`); // counted as one failure below
  }
  const { passed, failed, skipped } = parseJunit(xml);
  for (const name of failed) print(`   failed   ${name}`);
  for (const name of skipped) print(`   skipped  ${name}`);
  const wrongly = process.env.CI === "true" ? unexpectedSkips(skipped) : [];
  for (const name of wrongly) print(`   not an expected skip, so a failure under CI: ${name}`);
  return {
    passed,
    failed: Math.max(failed.length + wrongly.length, exitCode === 0 && xml !== "" ? 0 : 1),
    skipped: skipped.length - wrongly.length,
  };
}
