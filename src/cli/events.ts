/** `tspod events`. */
import { eventFilter } from "../container/event-filters.ts";
import { readEvents } from "../container/read-events.ts";
import { parseInstant } from "../lib/instant.ts";
import type { StoreEvent } from "../store/events.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean, list, value } from "./flags.ts";
import { eventLine, eventRow } from "./output/event-row.ts";
import { formatLine } from "./output/format.ts";
import { print } from "./output/print.ts";
import { safe } from "./output/safe.ts";

const streamFlag = {
  ...boolean("--stream", "Go on with what happens; --stream=false only tells what happened"),
  isOnByDefault: true,
} as const;

export default defineCommand({
  path: ["events"],
  usage: "",
  summary: "Show what happens to containers, images, volumes and networks, as it happens",
  examples: [
    [
      "What happened in the last ten minutes, and no more",
      "tspod events --since 10m --stream=false",
    ],
    [
      "Exit codes, as they come",
      "tspod events -f event=died --format '{{.Name}} {{.ContainerExitCode}}'",
    ],
  ],
  flags: {
    since: value("--since", "TIME", "Also what happened since: RFC 3339, seconds, or e.g. 10m"),
    until: value(
      "--until",
      "TIME",
      "Only until then; 10m is in ten minutes, -10m was ten minutes ago",
    ),
    filter: list(
      "-f,--filter",
      "KEY=VALUE",
      "artifact, container, event, image, label, network, type or volume",
    ),
    format: value("--format", "TEMPLATE", "json or a Go template", ["json"]),
    noTrunc: {
      ...boolean("--no-trunc", "Whole ids; --no-trunc=false cuts them"),
      isOnByDefault: true,
    },
    stream: streamFlag,
  },
  args: { min: 0, max: 0, completes: "none" },
  async run(context, flags) {
    const now = Date.now();
    const { since: from, until: to } = flags;
    const since = from === null ? -Infinity : parseInstant(from, "--since", now);
    // as podman has it: "for ten minutes"
    const until = to === null ? Infinity : parseInstant(to, "--until", now, "after");
    const matches = eventFilter(flags.filter);
    const show = await printerFor(flags);
    const asksPast = flags.since !== null || flags.until !== null || !flags.stream;
    const isOpen = flags.stream && until > now;
    const options = {
      fromStart: asksPast,
      follow: isOpen,
      signal: endOf(context, isOpen ? until - now : null),
    };
    for await (const event of readEvents(context.paths, options)) {
      const at = Date.parse(event.time);
      if (at > until) break;
      if (at >= since && matches(event) && !(await show(event))) break; // nobody reads on
    }
    return 0;
  },
});

/** The largest that setTimeout() takes: 24 days. */
const timerMsMax = 2 ** 31 - 1;

function endOf({ signal }: CliContext, afterMs: number | null): AbortSignal {
  if (afterMs === null || afterMs > timerMsMax) return signal;
  return AbortSignal.any([signal, AbortSignal.timeout(afterMs)]);
}

async function printerFor({
  format,
  noTrunc,
}: {
  format: string | null;
  noTrunc: boolean;
}): Promise<(event: StoreEvent) => Promise<boolean>> {
  if (format === null) {
    return (event) => print(`${safe(eventLine(event, { isTruncated: !noTrunc }))}\n`);
  }
  const line = await formatLine(format);
  return (event) => print(line(eventRow(event)));
}
