/** What a look at a container says while its monitor writes. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { containerDirectory, readState, runtimeDirectory } from "../../src/store/containers.ts";
import { storePaths } from "../../src/store/paths.ts";

const id = "a".repeat(64);

/** A monitor that begins between the look into its runtime directory and that into run.json: a FIFO, so both wait. */
const monitor = `
  start=$(cut -d" " -f22 /proc/$$/stat)
  mkdir -p "$1"
  echo "{\\"pid\\":$$,\\"pidStart\\":$start,\\"monitorPid\\":$$,\\"monitorStart\\":$start,\\"startedAt\\":\\"2\\"}" > "$1/state.json"
  echo '{"startedAt":"2"}' > "$2/run.json"
  read _`;

test("a container that is started between two looks runs: it was not killed", () => {
  const home = mkdtempSync(join(tmpdir(), "tspod-state-"));
  try {
    const paths = storePaths({ HOME: home, XDG_RUNTIME_DIR: join(home, "run") }, 1000);
    const [kept, runtime] = [containerDirectory(paths, id), runtimeDirectory(paths, id)];
    mkdirSync(kept, { recursive: true });
    writeFileSync(`${kept}/exit.json`, '{"exitCode":7,"startedAt":"1","finishedAt":"1"}');
    expect(Bun.spawnSync(["mkfifo", `${kept}/run.json`]).exitCode).toBe(0);
    const child = Bun.spawn(["sh", "-euc", monitor, "sh", runtime, kept], { stdin: "pipe" });
    try {
      expect(readState(paths, id)).toMatchObject({ status: "running", monitorPid: child.pid });
    } finally {
      child.kill("SIGKILL");
    }
  } finally {
    rmSync(home, { recursive: true });
  }
});
