/**
 * `npm test`: everything, as an ordinary user. Started as root it makes or uses one, gives it a copy of the tree and
 * goes on as that user. Words after `npm test --` choose test files and leave out the checks.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSteps } from "./build.ts";
import { checkSteps, closingLine, runSteps, sum } from "./check.ts";
import { unexpectedSkips } from "./expected-skips.ts";
import { type FileResult, runFiles, testFiles } from "./files.ts";
import { parseJunit } from "./junit.ts";
import { continueAsOrdinaryUser } from "./ordinary-user.ts";
import { type Count, print, type Step, treeRoot, zig } from "./steps.ts";

const chosen = process.argv.slice(2);
process.exitCode =
  process.getuid?.() === 0 ? await continueAsOrdinaryUser(treeRoot, chosen) : await runAll(chosen);

async function runAll(words: string[]): Promise<number> {
  const unitTests: Step = {
    title: "Zig unit tests",
    command: [zig, "build", "test", "--summary", "all"],
    directory: join(treeRoot, "zig"),
    count: countZig,
  };
  const before = words.length > 0 ? [] : checkSteps.filter((step) => !isTestStep(step));
  const [release, ...development] = buildSteps();
  const first = await runSteps([...before, ...(release === undefined ? [] : [release])]);
  // a compiler of one thread each
  const units = words.length > 0 ? [] : [unitTests];
  const both = await Promise.all([runSteps(development), runSteps(units)]);
  const total = [...both, await runTests(words)].reduce(sum, first);
  print(closingLine(total));
  return total.failed === 0 ? 0 : 1;
}

/** All of them, or those whose names hold one of the words. */
async function runTests(words: string[]): Promise<Count> {
  const reports = mkdtempSync(join(tmpdir(), "tspod-report-"));
  try {
    print("── tests");
    const started = performance.now();
    const results = await runFiles(testFiles(words), reports);
    print(`   ${results.length} files, ${((performance.now() - started) / 1000).toFixed(1)} s`);
    if (results.length === 0) print(`   no test file is called ${words.join(" or ")}`);
    const none = { passed: 0, failed: results.length === 0 ? 1 : 0, skipped: 0 };
    return results.map(countFile).reduce(sum, none);
  } finally {
    rmSync(reports, { recursive: true, force: true });
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
  if (failed > 0)
    print(`   failed   ${failed} of the Zig unit tests; one that is skipped counts, too`);
  return { passed: Number(passed), failed, skipped: 0 };
}

function countFile({ file, report, exitCode }: FileResult): Count {
  let xml = "";
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    print(`   no report of ${file}: it broke itself`); // counted as one failure below
  }
  const { passed, failed, skipped } = parseJunit(xml);
  for (const name of failed) print(`   failed   ${name}`);
  for (const name of skipped) print(`   skipped  ${name}`);
  const wrongly = process.env.CI === "true" ? unexpectedSkips(skipped) : [];
  for (const name of wrongly) print(`   not an expected skip, so a failure under CI: ${name}`);
  const isWhole = exitCode === 0 && xml !== "";
  if (!isWhole && failed.length === 0) print(`   failed   ${file}: status ${exitCode}`);
  return {
    passed,
    failed: Math.max(failed.length + wrongly.length, isWhole ? 0 : 1),
    skipped: skipped.length - wrongly.length,
  };
}
