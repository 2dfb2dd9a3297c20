/** `tspod cp`: files between containers and here. */
import { type CopyEnd, getContainer, loadCopy } from "../container/index.ts";
import { TspodError } from "../errors.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { boolean } from "./flags.ts";
import { isTerminal } from "./output/terminal.ts";

const stdout = 1;

export default defineCommand({
  path: ["cp"],
  usage: "[CONTAINER:]PATH|- [CONTAINER:]PATH|-",
  summary: "Copy files into, out of, or between containers; - is a tar archive",
  examples: [
    ["A file into a container", "tspod cp app.conf web:/etc/"],
    ["What is in a directory, out of it", "tspod cp web:/var/log/. logs"],
  ],
  flags: {
    archive: boolean("-a,--archive", "Keep owners, as far as they exist on the other side"),
    followLink: boolean("-L,--follow-link", "Copy what a symbolic link leads to"),
    overwrite: boolean("--overwrite", "A directory may replace a file, and a file a directory"),
    quiet: boolean("-q,--quiet", "Say nothing while copying, as always"),
  },
  args: { min: 2, max: 2, completes: "any" },
  async run(context, flags, [from = "", to = ""]) {
    const { copyBetween, copyFromArchive, copyToDescriptor } = await loadCopy();
    const options = {
      isArchive: flags.archive,
      followsLink: flags.followLink,
      overwrites: flags.overwrite,
    };
    if (from === "-") {
      const end = requireContainer(context, to);
      await copyFromArchive(context, Bun.stdin.stream(), end, options);
      return 0;
    }
    if (to === "-") {
      const end = requireContainer(context, from);
      refuseTerminal();
      await copyToDescriptor(context, end, { ...options, descriptor: stdout });
      return 0;
    }
    const [source, destination] = [parseEnd(context, from), parseEnd(context, to)];
    if (source.container === null && destination.container === null) {
      throw new TspodError("usage", `Neither "${from}" nor "${to}" is in a container`, {
        next: "name one as CONTAINER:PATH",
      });
    }
    await copyBetween(context, source, destination, options);
    return 0;
  },
});

function requireContainer(context: CliContext, text: string): CopyEnd {
  const end = text === "-" ? null : parseEnd(context, text);
  if (end !== null && end.container !== null) return end;
  throw new TspodError("usage", `With "-" the other side is in a container, and "${text}" is not`, {
    next: "name it as CONTAINER:PATH",
  });
}

/** As docker reads it: what begins with "/" or "." is of this host, whatever colons it has. */
function parseEnd(context: CliContext, text: string): CopyEnd {
  const colon = text.indexOf(":");
  if (colon < 1 || /^[./]/.test(text)) return hostEnd(text);
  const path = text.slice(colon + 1);
  return { container: getContainer(context, text.slice(0, colon)), path: path === "" ? "/" : path };
}

function hostEnd(path: string): CopyEnd {
  if (path !== "") return { container: null, path };
  throw new TspodError("usage", "A path to copy is empty", { next: "see tspod cp --help" });
}

function refuseTerminal(): void {
  if (!isTerminal(stdout)) return;
  throw new TspodError("usage", "An archive is nothing for a terminal", {
    next: "redirect it: tspod cp ... - > FILE, or pipe it into tar",
  });
}
