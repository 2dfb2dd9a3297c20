/** A rule of the specification as data, and trying it. */
import type { Requirement } from "../support/requirements.ts";
import type { Change } from "./config.ts";
import type { Column } from "./runtimes.ts";
import { type Outcome, Trial } from "./trial.ts";

export interface Rule {
  /** File and heading of the specification. */
  section: string;
  /** What it demands, in a few words; with the section it is the rule's name. */
  rule: string;
  /** What is different from the base config.json. */
  config?: Change | ((trial: Trial) => Change);
  /** The container's program: what it writes is observed. */
  script?: string;
  /** Instead of a script: `create` must fail and leave nothing. */
  refused?: true;
  /** Instead of both: any sequence of operations, in words. */
  observe?: (trial: Trial) => Promise<string>;
  /** What the specification demands to be observed. */
  says?: string | RegExp;
  /** Which columns it cannot be tried in: what it is about is not to be had there. */
  unless?: (column: Column) => string | undefined;
  needs?: Requirement;
}

export function nameOf(rule: Rule): string {
  return `${rule.section}: ${rule.rule}`;
}

export function matches(wanted: string | RegExp, observed: string): boolean {
  return typeof wanted === "string" ? wanted === observed : wanted.test(observed);
}

export function wantedOf(rule: Rule): string | RegExp {
  return rule.says ?? "refused";
}

export async function observe(rule: Rule, column: Column): Promise<string> {
  await using trial = new Trial(column);
  const change = typeof rule.config === "function" ? rule.config(trial) : (rule.config ?? {});
  const args = rule.script === undefined ? ["true"] : ["sh", "-c", rule.script];
  trial.configure(args, change);
  if (rule.observe !== undefined) return await rule.observe(trial).catch(told);
  if (rule.refused === true) return await refusal(trial);
  return seen(await trial.run());
}

/** An operation of the rule that failed is what was observed. */
function told(error: unknown): string {
  return `fails: ${error instanceof Error ? error.message : String(error)}`;
}

/** The output of a program that ended well; otherwise how it ended. */
export function seen({ status, stdout, stderr }: Outcome): string {
  const text = stdout.trim();
  if (status === 0) return text;
  const how = status === null ? "hangs" : `status ${status}`;
  return [text, `${how}: ${stderr.trim()}`].filter((part) => part !== "").join("\n");
}

/** "refused", or how far it came: an error must leave everything as if nothing had been tried. */
export async function refusal(trial: Trial): Promise<string> {
  const created = await trial.create();
  if (created.status === null) return "create hangs";
  if (created.status !== 0) {
    return (await trial.state()) === undefined ? "refused" : "refused, but a container is left";
  }
  const started = await trial.start();
  return started.status === 0 ? "accepted" : "refused by start only";
}
