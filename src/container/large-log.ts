/** Log files that are so large that a program made for it shows them sooner. Loaded only for such. */
import { type FileLog, type ShowLog, showLog } from "../helper/index.ts";
import type { OpenLog } from "./log-files.ts";
import type { LogPosition, LogView } from "./log-lines.ts";

/** By whom, and where to. */
export type LargeLogs = Pick<ShowLog, "command" | "sinks">;

/** What is there of the file now, as far as the helper knows it: `file` and `position` say how far that is. */
export async function showLarge(
  { command, sinks }: LargeLogs,
  {
    log: { driver },
    file,
    request,
    position,
  }: {
    log: FileLog;
    file: OpenLog;
    request: LogView & { signal: AbortSignal };
    position: LogPosition;
  },
): Promise<void> {
  const { since, until, prefix, hasTimes, signal } = request;
  const shown = await showLog({
    ...{ command, signal, sinks, driver, since, until, prefix, hasTimes },
    ...{ descriptor: file.descriptor, offset: file.offset, isLineStart: position.isLineStart },
  });
  file.offset = shown.offset;
  position.isLineStart = shown.isLineStart;
  position.isPast ||= shown.isPast;
}
