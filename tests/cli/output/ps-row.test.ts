/** A container as `ps` shows it, and as templates find it. */
import { describe, expect, test } from "bun:test";
import { psRow } from "../../../src/cli/output/ps-row.ts";
import { renderRows } from "../../../src/cli/output/template/render.ts";
import type { Container } from "../../../src/container/index.ts";

const created = "2026-01-01T00:00:00.000Z";
const now = Date.parse(created) + 3 * 3_600_000;
const minutesAgo = (minutes: number): string => new Date(now - minutes * 60_000).toISOString();

function row(differs: Partial<Container> = {}, isTruncated = true) {
  const container: Container = {
    id: "0123456789abcdef".repeat(4),
    name: "web",
    imageId: "sha256:1",
    imageName: "alpine",
    command: ["sleep", "1000000000000000000000"],
    labels: { "com.example.owner": "ops", plain: "" },
    options: { network: "private", mounts: [] },
    autoRemove: false,
    createdAt: created,
    creator: "",
    state: { status: "created" },
    ...differs,
  };
  return psRow(container, { nowMs: now, isTruncated });
}

const ended = {
  exitCode: 3,
  startedAt: minutesAgo(9),
  finishedAt: minutesAgo(5),
  oomKilled: false,
};

describe("psRow()", () => {
  test("cuts ids and commands short, unless it may not", () => {
    expect(row()).toMatchObject({ ID: "0123456789ab", Command: '"sleep 1000000000000…"' });
    expect(row({}, false).ID).toHaveLength(64);
    expect(row({}, false).Command).toBe('"sleep 1000000000000000000000"');
  });

  test.each<[Container["state"]["status"], Container["state"], string]>([
    ["created", { status: "created" }, "Created"],
    ["exited", { status: "exited", ...ended }, "Exited (3) 5 minutes ago"],
  ])("%s", (_, state, words) => {
    expect(row({ state })).toMatchObject({ Status: words, RunningFor: "3 hours ago" });
  });

  test("labels are listed, and found one by one in templates but not in JSON", () => {
    const source =
      '{{.Labels}}|{{.Label "com.example.owner"}}|{{.Label "no"}}|{{.Label "toString"}}';
    expect(renderRows(source, [row()], { isTerminal: false })).toBe(
      "com.example.owner=ops,plain=|ops||\n",
    );
    expect(Object.keys(JSON.parse(JSON.stringify(row())) as object)).not.toContain("Label");
  });
});
