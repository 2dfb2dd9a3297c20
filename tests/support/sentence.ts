/** What every refusal is: tspod's own exit code, a sentence that says what, and never a stack trace. */
import { expect } from "bun:test";
import type { Result } from "./world.ts";

export function expectSentence({ exitCode, stderr }: Result, ...parts: (string | RegExp)[]): void {
  expect(exitCode).toBe(125);
  for (const part of parts) expect(stderr).toMatch(part);
  expect(stderr).not.toContain("    at ");
}
