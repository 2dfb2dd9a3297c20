/** Runs the programs a build needs, and says which one failed and with what. */

export const root = new URL("../..", import.meta.url).pathname;

export interface RunOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** Run a program to its end and return what it printed. Throws with its standard error when it fails. */
export async function run(command: string[], options: RunOptions = {}): Promise<string> {
  const child = Bun.spawn(command, {
    cwd: options.cwd ?? root,
    env: { ...process.env, ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status === 0) return stdout;
  throw new Error(
    `"${command.slice(0, 3).join(" ")}" failed with status ${status}:\n${stderr || stdout}`,
  );
}
