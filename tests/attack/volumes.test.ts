/**
 * Volumes and images that want out: links in a volume where a part of it is mounted, also while they are exchanged;
 * links, pipes and deep trees in an image whose files fill a volume; links where a tree is given away.
 */
import { expect } from "bun:test";
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { program, registryPrograms, testWith } from "../support/requirements.ts";
import { makeWorld } from "../support/world.ts";

const test = testWith(...registryPrograms, program("perl"));

const starts = 40;
const timeoutMs = 120_000;

/** renameat2(2) with RENAME_EXCHANGE, again and again, as often as it may, until it is killed. */
const exchange = `my ($a, $b) = @ARGV;
$| = 1; print "ready\\n";
for (;;) { syscall(316, -100, $a, -100, $b, 2) == 0 or $!{EACCES} or die "renameat2: $!" }`;

function swap(
  one: string,
  other: string,
): AsyncDisposable & { ready: Promise<void>; isAlive(): boolean } {
  const child = Bun.spawn(["perl", "-MErrno", "-e", exchange, one, other], { stdout: "pipe" });
  const reader = child.stdout.getReader();
  return {
    ready: reader.read().then(() => undefined),
    isAlive: () => child.exitCode === null,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

test(
  "a part of a volume whose names are exchanged for links to the host",
  async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const outside = join(world.home, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "secret"), "of the host\n");
    await world.ok("volume", "create", "shared");
    const data = await world.ok("volume", "inspect", "-f", "{{.Mountpoint}}", "shared");
    mkdirSync(join(data, "a/part"), { recursive: true });
    writeFileSync(join(data, "a/part/file"), "of the volume\n");
    mkdirSync(join(data, "evil"));
    symlinkSync(outside, join(data, "evil/part"));
    await using attacker = swap(join(data, "a"), join(data, "evil"));
    await attacker.ready;
    const mount = "type=volume,src=shared,dst=/x,volume-subpath=a/part";
    const seen = new Set<string>();
    for (let i = 0; i < starts; i++) {
      const words = ["run", "--rm", "--mount", mount, "tiny", "cat", "/x/file", "/x/secret"];
      const { exitCode, stdout } = await world.tspod(words);
      seen.add(exitCode === 125 ? "refused" : stdout);
    }
    expect(attacker.isAlive()).toBe(true);
    expect([...seen].filter((text) => text !== "refused")).toEqual(["of the volume\n"]);
    expect(seen.has("refused")).toBe(true); // it was met
  },
  timeoutMs,
);

test(
  "a tree that is given away while a directory in it is exchanged for a link",
  async () => {
    await using world = await makeWorld({ images: ["tiny"] });
    const [tree, outside] = ["tree", "outside"].map((name) => join(world.home, name));
    mkdirSync(join(`${tree}`, "real"), { recursive: true });
    mkdirSync(`${outside}`);
    for (let i = 0; i < 50; i++) {
      writeFileSync(join(`${outside}`, `file-${i}`), "");
      writeFileSync(join(`${tree}`, "real", `file-${i}`), "");
    }
    symlinkSync(`${outside}`, join(`${tree}`, "link"));
    await using attacker = swap(join(`${tree}`, "real"), join(`${tree}`, "link"));
    await attacker.ready;
    for (let i = 0; i < starts; i++) {
      const user = i % 2 === 0 ? "1000:1000" : "0:0";
      await world.ok("run", "--rm", "-u", user, "-v", `${tree}:/x:U`, "tiny", "true");
    }
    expect(attacker.isAlive()).toBe(true);
    const own = process.getuid?.();
    expect(lstatSync(`${outside}`).uid).toBe(own ?? -1);
    for (let i = 0; i < 50; i++)
      expect(lstatSync(join(`${outside}`, `file-${i}`)).uid).toBe(own ?? -1);
  },
  timeoutMs,
);

test("an image full of strange things fills a volume with them, and touches nothing else", async () => {
  await using world = await makeWorld({ images: ["tiny", "strange"] });
  const script =
    "cd /v; ls; readlink up; stat -c '%F %a' pipe; cat far; echo; ls -d deep/d/d/d/d/d/d/d/d/d/d/d/d";
  const words = ["run", "--rm", "-v", "odd:/v", "tiny", "sh", "-c", script];
  await world.ok("run", "--rm", "-v", "odd:/strange", "strange", "true");
  expect(await world.ok(...words)).toBe(
    "deep\nfar\npipe\nup\n../../../../../../../../etc\nfifo 600\nfar\ndeep/d/d/d/d/d/d/d/d/d/d/d/d",
  );
  // a link of the image, where a volume is mounted: it leads to the image's own directory
  const etc = await world.ok(
    "run",
    "--rm",
    "-v",
    "etc:/strange/up",
    "strange",
    "ls",
    "/strange/up",
  );
  expect(etc).toContain("passwd");
  expect(etc).not.toContain("shadow");
});
