/** Shows a pull or a push on standard error; loaded with its first event, so that a run of a present image never pays for it. */
import type { PullEvent } from "../../image/index.ts";
import type { CliContext } from "../command.ts";
import type { ProgressKind } from "../options/progress.ts";

export function showPullProgress(
  context: CliContext,
  { quiet = false, kind = "auto" }: { quiet?: boolean; kind?: ProgressKind } = {},
): void {
  if (quiet || kind === "none") return;
  let report: ((event: PullEvent) => void) | undefined;
  const early: PullEvent[] = [];
  context.showProgress((event) => {
    if (report !== undefined) return report(event);
    early.push(event);
    if (early.length > 1) return;
    void import("./progress.ts").then(({ createProgress }) => {
      const show = createProgress(context.environment, kind);
      for (const each of early) show(each);
      report = show;
    });
  });
}
