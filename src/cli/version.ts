/** `tspod version`. */
import { build } from "../version.ts";
import { defineCommand } from "./command.ts";
import { boolean, value } from "./flags.ts";
import { formatObject } from "./output/objects.ts";
import { print } from "./output/print.ts";

export default defineCommand({
  path: ["version"],
  usage: "",
  summary: "Say which tspod this is",
  flags: {
    short: boolean("--short", "One line"),
    format: value("-f,--format", "TEMPLATE", "json or a Go template", ["json"]),
  },
  args: { min: 0, max: 0, completes: "none" },
  usesStore: false,
  async run(_, flags) {
    const platform = { Os: "linux", Arch: process.arch === "x64" ? "amd64" : process.arch };
    const facts = {
      Version: build.version,
      GitCommit: build.commit,
      Built: build.date,
      Build: build.kind,
      OsArch: `${platform.Os}/${platform.Arch}`,
      BunVersion: build.bun,
      ZigVersion: build.zig,
    };
    // scripts of docker and of podman ask both sides; here they are one
    const side = { ...facts, ...platform };
    const shown = { ...facts, Client: side, Server: side };
    if (flags.short) await print(`tspod version ${build.version}\n`);
    else if (flags.format !== null) await print(await formatObject(flags.format, shown));
    else {
      const lines = [
        ["Version:", facts.Version],
        ["Commit:", `${facts.GitCommit} (${facts.Built.slice(0, 10)})`],
        ["Build:", `${facts.Build}, Bun ${facts.BunVersion}, Zig ${facts.ZigVersion}`],
        ["OS/Arch:", facts.OsArch],
      ];
      await print(lines.map(([key = "", text]) => `${key.padEnd(9)} ${text}\n`).join(""));
    }
    return 0;
  },
});
