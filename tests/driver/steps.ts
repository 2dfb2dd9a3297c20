/** One step of `npm test` or `npm run check`: a command, how it is counted, how it is shown. Exits nothing. */
import { dirname, join, resolve } from "node:path";

/** The tree these tests belong to. */
export const treeRoot = resolve(import.meta.dir, "../..");

/** The Bun that runs us: scripts never depend on what is installed on the machine. */
export const bun = process.execPath;

export const zig = join(
  treeRoot,
  `node_modules/@zigc/linux-${process.arch}/bin/zig`, // the package's own launcher costs a node start
);

export interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

export interface Step {
  title: string;
  command: string[];
  directory?: string;
  environment?: Record<string, string>;
  /** Shown only when the step fails. */
  quiet?: boolean;
  /** Without it a step counts as one test that passed or failed. */
  count?: (output: string, exitCode: number) => Promise<Count> | Count;
}

/** Run a step, its output going to the terminal as it comes. */
export async function runStep(step: Step): Promise<Count> {
  const started = performance.now();
  print(`── ${step.title}`);
  const child = Bun.spawn(step.command, {
    cwd: step.directory ?? treeRoot,
    env: { ...environmentOfSteps(), ...step.environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const show = step.quiet !== true;
  const [out, err] = await Promise.all([
    collect(child.stdout, show),
    collect(child.stderr, show),
    child.exited,
  ]);
  const exitCode = await child.exited;
  if (!show && exitCode !== 0) print(out + err);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const outcome = exitCode === 0 ? "ok" : `FAILED with status ${exitCode}`;
  print(`   ${step.title}: ${outcome}, ${seconds} s`);
  const count = await step.count?.(out + err, exitCode);
  return count ?? { passed: exitCode === 0 ? 1 : 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function environmentOfSteps(): Record<string, string | undefined> {
  const path = [dirname(zig), dirname(bun), process.env.PATH ?? "/usr/bin:/bin"].join(":");
  return { ...process.env, PATH: path };
}

async function collect(stream: ReadableStream<Uint8Array>, show: boolean): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    const piece = decoder.decode(chunk, { stream: true });
    if (show) process.stdout.write(piece);
    text += piece;
  }
  return text;
}
