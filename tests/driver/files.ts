/**
 * The test files, each in a process of its own, as many at a time as there are processors; what one printed is shown
 * when it has ended. One registry serves them all.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { startRegistry } from "../support/debian-registry.ts";
import { delegateFurther, inCgroup } from "./delegated-cgroup.ts";
import { bun, environmentOfSteps, print, treeRoot } from "./steps.ts";

/** Longer than anything but the kill and leak trials, which set their own. */
const testTimeoutMs = 60_000;

/** They take longest, so they are started first: nobody waits for one of them at the end. */
const longFirst = [
  ...["tests/e2e/kill", "tests/build/reproducible", "tests/attack/descriptors", "tests/e2e/leaks"],
  ...["tests/e2e/faults", "tests/attack/copying", "tests/e2e/volume-faults"],
  ...["tests/conformance", "tests/build", "tests/e2e", "tests/attack"],
];

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

/** Containers of several files have the same names, and so have the units of one systemd. */
const workers = existsSync("/run/systemd/system") ? 1 : availableParallelism();

export async function runFiles(files: string[], reports: string): Promise<FileResult[]> {
  const hasRegistry = Bun.which("docker-registry") !== null && Bun.which("skopeo") !== null;
  using registry = hasRegistry ? await startRegistry() : undefined;
  const environment = { TSPOD_TEST_REGISTRY: registry?.address };
  const results: FileResult[] = [];
  const waiting = [...files];
  const work = async (worker: number): Promise<void> => {
    const prefix = inCgroup(delegateFurther(`files-${worker}`));
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const report = join(reports, `${files.indexOf(file)}.xml`);
      results.push(await runFile({ file, report, prefix, environment }));
    }
  };
  await Promise.all(Array.from({ length: workers }, async (_, worker) => await work(worker)));
  return results;
}

interface OneFile {
  file: string;
  report: string;
  /** Words before the command. */
  prefix: string[];
  environment: Record<string, string | undefined>;
}

async function runFile({ file, report, prefix, environment }: OneFile): Promise<FileResult> {
  const started = performance.now();
  const junit = ["--reporter=junit", `--reporter-outfile=${report}`];
  const test = [bun, "test", `--timeout=${testTimeoutMs}`, ...junit, `./${file}`];
  const child = Bun.spawn([...prefix, ...test], {
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
