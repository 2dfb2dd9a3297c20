/**
 * The test files, each in a process of its own, as many at a time as there are processors; what one printed is shown
 * when it has ended. One registry serves them all.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startRegistry } from "../support/debian-registry.ts";
import { bun, environmentOfSteps, print, treeRoot } from "./steps.ts";

/** Longer than anything but the kill and leak trials, which set their own. */
const testTimeoutMs = 60_000;

/** They take longest, so they are started first: nobody waits for one of them at the end. */
const longFirst = ["tests/build/reproducible", "tests/conformance", "tests/e2e", "tests/attack"];

export interface FileResult {
  file: string;
  exitCode: number;
  /** Where its JUnit report is, unless it broke. */
  report: string;
}

/** Every test file below `tests`, or those that the words name, as `bun test` takes them. */
export function testFiles(words: string[]): string[] {
  const all = [...new Bun.Glob("tests/**/*.test.ts").scanSync({ cwd: treeRoot })].sort();
  const names = words.map((word) => word.replace(/^\.\//, ""));
  const chosen = names.length === 0 ? all : all.filter((f) => names.some((n) => f.includes(n)));
  const rank = (file: string): number => {
    const found = longFirst.findIndex((prefix) => file.startsWith(prefix));
    return found < 0 ? longFirst.length : found;
  };
  return chosen.sort((a, b) => rank(a) - rank(b));
}

export async function runFiles(files: string[], reports: string): Promise<FileResult[]> {
  const hasRegistry = Bun.which("docker-registry") !== null && Bun.which("skopeo") !== null;
  using registry = hasRegistry ? await startRegistry() : undefined;
  const environment = { TSPOD_TEST_REGISTRY: registry?.address };
  const results: FileResult[] = [];
  const waiting = [...files];
  const next = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      results.push(await runFile(file, join(reports, `${files.indexOf(file)}.xml`), environment));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, next));
  return results;
}

async function runFile(
  file: string,
  report: string,
  environment: Record<string, string | undefined>,
): Promise<FileResult> {
  const started = performance.now();
  const junit = ["--reporter=junit", `--reporter-outfile=${report}`];
  const child = Bun.spawn([bun, "test", `--timeout=${testTimeoutMs}`, ...junit, `./${file}`], {
    ...{ cwd: treeRoot, env: { ...environmentOfSteps(), ...environment } },
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  const exitCode = await child.exited;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  print(`${stdout}${stderr}`.trimEnd());
  print(`   ${file}: ${exitCode === 0 ? "ok" : `FAILED with status ${exitCode}`}, ${seconds} s`);
  return { file, exitCode, report };
}
