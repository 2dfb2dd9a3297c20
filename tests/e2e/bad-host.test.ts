/**
 * Hosts that lack something. Each is made for real, without privilege, in a user and mount namespace around tspod: what
 * is missing is hidden by a mount or forbidden by that namespace's own sysctl.
 */
import { describe, expect } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld, type Result, tspodFile, type World } from "../support/world.ts";

const test = testWith(...registryPrograms);

/** Run `script` (where `$TSPOD` is the file) as root of a namespace with all our ids, in which it may mount. */
async function onHost(world: World, script: string): Promise<Result> {
  // another user of the namespace must get through, and might not to where this tree is
  chmodSync(dirname(world.home), 0o755);
  const file = join(world.home, "tspod");
  copyFileSync(tspodFile, file);
  const enter = ["unshare", "--map-root-user", "--map-auto", "--mount", "--propagation", "private"];
  const child = Bun.spawn([...enter, "sh", "-euc", script], {
    cwd: world.home,
    env: { ...world.environment, TSPOD: file, ROOT: world.root },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { exitCode: await child.exited, stdout, stderr };
}

/**
 * The rest as an ordinary user of that namespace, with a home of their own; the file "ids" is /etc/subuid and subgid.
 */
function asTester(script: string): string {
  return `
    for f in /etc/subuid /etc/subgid; do mount --bind ids $f; done
    echo 'tester:x:1000:1000::/:/bin/sh' > passwd; mount --bind passwd /etc/passwd
    mkdir own; mount -t tmpfs own own; cp -r .config own/; chown -R 1000:1000 own
    export HOME=$PWD/own TSPOD_ROOT=$PWD/own/root; cd own
    exec setpriv --reuid 1000 --regid 1000 --clear-groups sh -euc '${script.replaceAll("'", `'"'"'`)}'`;
}

function expectSentence(result: Result, ...words: RegExp[]): void {
  expect(result.exitCode).toBe(125);
  expect(result.stdout).toBe("");
  for (const word of words) expect(result.stderr).toMatch(word);
  expect(result.stderr).not.toMatch(/\n\s+at |TypeError|undefined|\[object/);
}

describe("a host", () => {
  test("where user namespaces are forbidden", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const forbid = "echo 0 > /proc/sys/user/max_user_namespaces";
    const result = await onHost(world, `${forbid}; exec $TSPOD run --rm tiny true`);
    expectSentence(result, /user namespace/i, /sysctl|max_user_namespaces/);
  });

  test("without newuidmap: one user, and the remedy told", async () => {
    await using world = await makeWorld();
    const hide = "for f in newuidmap newgidmap; do mount --bind /dev/null $(command -v $f); done";
    const run = "exec $TSPOD run --rm tiny sh -c 'id -u; cat /proc/self/uid_map'";
    const result = await onHost(world, `${hide}; echo tester:10000:5000 > ids; ${asTester(run)}`);
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toMatch(/^0\n\s+0\s+1000\s+1\n$/);
    expect(result.stderr).toMatch(/newuidmap.*apt-get install uidmap/);
  });

  test("without subordinate ids: one user, and the remedy told once", async () => {
    await using world = await makeWorld();
    const run = "$TSPOD run --rm tiny id -u";
    const result = await onHost(world, `: > ids; ${asTester(`${run}; echo again >&2; ${run}`)}`);
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toBe("0\n0\n");
    const [first = "", second = ""] = result.stderr.split("again\n");
    expect(first).toMatch(/subuid.*usermod --add-subuids/);
    expect(second).toBe("");
  });

  test("that refuses overlay on the store's file system: a copy instead", async () => {
    await using world = await makeWorld();
    mkdirSync(world.root);
    // an overlay cannot be the upper directory of another one
    const refuse =
      "mkdir l u w; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w,userxattr overlay $ROOT";
    const run = "$TSPOD run --rm tiny sh -c 'echo new > /etc/new; cat /etc/new'; $TSPOD rmi tiny";
    const result = await onHost(world, `${refuse}; ${run}`);
    expect(result.stderr).not.toContain("Cannot");
    expect(result.exitCode).toBe(0);
    expect(result.stdout).toContain("new\n");
  });

  test("whose store is read-only", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const bind = "mount --bind $ROOT $ROOT; mount -o remount,bind,ro $ROOT";
    expectSentence(
      await onHost(world, `${bind}; exec $TSPOD run --rm tiny true`),
      /read-only|write/i,
      /TSPOD_ROOT/,
    );
  });

  test("whose home is read-only and whose store is not there yet", async () => {
    await using world = await makeWorld();
    const bind = "mount --bind $HOME $HOME; mount -o remount,bind,ro $HOME";
    const result = await onHost(world, `${bind}; unset TSPOD_ROOT; exec $TSPOD pull tiny`);
    expectSentence(result, /read-only|write/i, /TSPOD_ROOT/);
  });

  test("whose disk is full", async () => {
    await using world = await makeWorld();
    mkdirSync(world.root);
    const small = "mount -t tmpfs -o size=1m small $ROOT";
    const result = await onHost(
      world,
      `${small}; $TSPOD pull tiny; s=$?; ls $ROOT/data/layers >&2; exit $s`,
    );
    expectSentence(result, /space|full/i);
  });

  test("whose disk is full before a new volume has the image's files", async () => {
    await using world = await makeWorld();
    mkdirSync(world.root);
    const script = `
      mount -t tmpfs -o size=24m small $ROOT; $TSPOD pull -q volumes >&2
      dd if=/dev/zero of=$ROOT/filler bs=4k 2>/dev/null || true
      truncate -s -512k $ROOT/filler
      if $TSPOD run --rm -v new:/bin volumes true; then exit 1; fi
      ls -A $ROOT/data/volumes $ROOT/data/trash $ROOT/data/containers
      rm $ROOT/filler
      $TSPOD run --rm -v new:/bin volumes sh -c 'ls /bin | grep -c .' > count
      $TSPOD run --rm volumes sh -c 'ls /bin | grep -c .' | cmp - count && echo whole`;
    const { exitCode, stdout, stderr } = await onHost(world, script);
    const places = ["containers", "trash", "volumes"];
    const empty = places.map((name) => `${world.root}/data/${name}:\n`).join("\n");
    expect({ exitCode, stdout, stderr }).toMatchObject({ exitCode: 0, stdout: `${empty}whole\n` });
    expect(stderr).toMatch(/full|space/i);
  });

  test("whose cache cannot be written still starts", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const hide = "mkdir cache; mount -t tmpfs -o ro none cache; export XDG_CACHE_HOME=$PWD/cache";
    const result = await onHost(world, `${hide}; exec $TSPOD run --rm tiny echo started`);
    expect(result.stdout).toBe("started\n");
    expect(result.exitCode).toBe(0);
  });
});

describe("a user who", () => {
  test("has no XDG_RUNTIME_DIR", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const environment = { XDG_RUNTIME_DIR: undefined };
    const result = await world.tspod(["run", "--rm", "tiny", "echo", "cron"], { environment });
    expect(result).toEqual({ exitCode: 0, stdout: "cron\n", stderr: "" });
  });

  test("has a damaged database", async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const bad = join(world.home, "bad");
    mkdirSync(join(bad, "data"), { recursive: true });
    writeFileSync(join(bad, "data/tspod.db"), "this is not a database".repeat(100));
    const environment = { TSPOD_ROOT: bad };
    expectSentence(await world.tspod(["images"], { environment }), /tspod\.db/, /damaged|corrupt/);
  });

  test("has registries.conf with a mistake in it", async () => {
    await using world = await makeWorld({ registriesConf: "[[registry]\nlocation = 1" });
    expectSentence(await world.tspod(["pull", "tiny"]), /registries\.conf/);
    expect(
      existsSync(join(world.root, "data/ingest"))
        ? readdirSync(join(world.root, "data/ingest"))
        : [],
    ).toEqual([]);
  });
});
