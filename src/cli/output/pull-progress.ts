/** Shows a pull on standard error; loaded with its first event, so that a run of a present image never pays for it. */
import type { PullEvent } from "../../image/index.ts";
import type { CliContext } from "../command.ts";

export function showPullProgress(context: CliContext, options: { quiet?: boolean } = {}): void {
  if (options.quiet === true) return;
  let report: ((event: PullEvent) => void) | undefined;
  const early: PullEvent[] = [];
  context.showProgress((event) => {
    if (report !== undefined) return report(event);
    early.push(event);
    if (early.length > 1) return;
    void import("./progress.ts").then(({ createProgress }) => {
      const show = createProgress(context.environment);
      for (const each of early) show(each);
      report = show;
    });
  });
}
