/** The unit and the crontab line that bring containers back after a boot. */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type AutostartHost,
  cronLine,
  installAutostart,
  removeAutostart,
  unitText,
} from "../../src/container/autostart.ts";

const host: AutostartHost = {
  environment: { HOME: "/home/me", TSPOD_ROOT: "/data 100%" },
  program: '/opt/my "own"/tspod',
  ...{ hasSystemd: true, isRoot: false },
};

test("unitText() quotes what systemd would read otherwise, and names the store", () => {
  const text = unitText(host);
  expect(text).toContain('Environment="TSPOD_ROOT=/data 100%%"\n');
  expect(text).toContain('ExecStart="/opt/my \\"own\\"/tspod" start --all-restartable\n');
  expect(text).toContain("WantedBy=default.target\n");
});

test("cronLine() is one line that a shell reads back", () => {
  const line = cronLine(host);
  expect(line).toBe(
    `@reboot TSPOD_ROOT='/data 100\\%' '/opt/my "own"/tspod' start --all-restartable # tspod autostart`,
  );
});

test("installAutostart() enables the unit, twice is once; removeAutostart() leaves nothing", async () => {
  const home = mkdtempSync(join(tmpdir(), "tspod-autostart-"));
  const mine = { ...host, environment: { HOME: home } };
  try {
    const { changed } = await installAutostart(mine);
    await installAutostart(mine);
    const unit = join(home, ".config/systemd/user/tspod-restart.service");
    expect(changed[0]).toBe(unit);
    expect(readFileSync(unit, "utf8")).toBe(unitText(mine));
    const link = join(home, ".config/systemd/user/default.target.wants/tspod-restart.service");
    expect(readlinkSync(link)).toBe(unit);
    await removeAutostart(mine);
    expect(existsSync(unit)).toBe(false);
    expect((await removeAutostart(mine)).changed).toEqual([]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
