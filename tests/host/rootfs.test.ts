/** chooseRootfs(): what the probe answers becomes a choice that is remembered, or a sentence with the remedy. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TspodError } from "../../src/errors.ts";
import { chooseRootfs } from "../../src/host/index.ts";

interface Probe {
  userNamespaces: boolean;
  forbiddenBy: string | null;
  overlay: boolean;
}

/** A host whose helper answers so, and a store that remembers. */
function host(probe: Probe) {
  const database = new Database(":memory:", { strict: true });
  database.run("CREATE TABLE host_fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT");
  const dataDirectory = mkdtempSync(join(tmpdir(), "tspod-host-"));
  const answer = `echo '${JSON.stringify(probe)}'`;
  return { database, dataDirectory, helper: ["sh", "-c", answer], path: "/nowhere" };
}

const works = { userNamespaces: true, forbiddenBy: null, overlay: true };

test("the kernel's overlay is taken where it works, and asked for once", () => {
  const here = host(works);
  expect(chooseRootfs(here, undefined)).toBe("overlay");
  const broken = { ...here, helper: ["false"] };
  expect(chooseRootfs(broken, undefined)).toBe("overlay");
});

test("TSPOD_ROOTFS decides without asking", () => {
  expect(chooseRootfs({ ...host(works), helper: ["false"] }, "copy")).toBe("copy");
});

test.each([
  ["kernel.unprivileged_userns_clone", "sudo sysctl kernel.unprivileged_userns_clone=1"],
  ["user.max_user_namespaces", "sudo sysctl user.max_user_namespaces=15000"],
  [
    "kernel.apparmor_restrict_unprivileged_userns",
    "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
  ],
])(
  "forbidden by %s: the sentence names it and the remedy, and nothing is remembered",
  (knob, next) => {
    const here = host({ userNamespaces: false, forbiddenBy: knob, overlay: false });
    const refused = (): unknown => chooseRootfs(here, undefined);
    expect(refused).toThrow(
      `This host does not let you create a user namespace: ${knob} forbids it`,
    );
    try {
      refused();
    } catch (error) {
      expect((error as TspodError).next).toContain(next);
      expect((error as TspodError).exitCode).toBe(125);
    }
    expect(here.database.query("SELECT count(*) AS n FROM host_fact").get()).toEqual({ n: 0 });
  },
);
