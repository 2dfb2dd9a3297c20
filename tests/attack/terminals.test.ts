/**
 * Terminals: nothing inside pushes input into the terminal of whoever started it, or of another session in the same
 * container, and no image and no container decides what a terminal is.
 */
import { describe, expect } from "bun:test";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allCapabilities, defaultCapabilities } from "../../src/spec/index.ts";
import { openSession, type Session } from "../support/terminal.ts";
import {
  attack,
  attackTest,
  type Front,
  fronts,
  perlMounts,
  ready,
  type Target,
} from "./target.ts";

/**
 * TIOCSTI, TIOCSCTTY (asked and forced), TIOCLINUX and TIOCCONS on everything that may be a terminal of somebody else,
 * first with none of our own, then with what /dev/tty is.
 */
const pushing = `
use Fcntl; my %won;
for my $name (@ARGV) {
  sysopen(my $t, $name, O_RDWR | O_NOCTTY) or next; -t $t or next; $won{"open $name"} = 1;
  for my $round (1, 2) {
    my $byte = "!"; $won{"push $name"} = 1 if syscall(16, fileno $t, 0x5412, $byte) == 0;
    for (0, 1) { $won{"take $name"} = 1 if syscall(16, fileno $t, 0x540E, $_) == 0 }
    my $paste = chr(3); $won{"paste $name"} = 1 if syscall(16, fileno $t, 0x541C, $paste) == 0;
    $won{"console $name"} = 1 if syscall(16, fileno $t, 0x541D, 0) == 0;
    sysopen(my $own, $name, O_RDWR);
  }
}
print "<", join(", ", sort keys %won), ">\\n";
`;

const atSession = (target: Target, command: string[]): Session =>
  openSession(command, { home: target.base, environment: { PATH: process.env.PATH ?? "" } }, {});

function pusher(front: Front, names: string[], terminal: boolean, capabilities: readonly string[]) {
  const target = attack(front, ["/usr/bin/perl", "/talk/pushing.pl", ...names], {
    ...{ terminal, mounts: perlMounts, capabilities: [...capabilities] },
  });
  writeFileSync(join(target.talk, "pushing.pl"), pushing);
  return target;
}

const streams = [
  "/proc/self/fd/0",
  "/proc/self/fd/1",
  "/proc/self/fd/2",
  "/dev/tty",
  "/dev/console",
];

/** What it won, one word each: open, push, take, paste, console. */
const deedsOf = (text: string): string[] => [
  ...new Set([...text.matchAll(/([a-z]+) \//g)].map(([, deed]) => deed ?? "")),
];

describe.each(fronts)("%s", (front) => {
  attackTest("the attack works for who has the terminal, the container on its own", async () => {
    await using target = pusher(front, streams, true, defaultCapabilities);
    await using session = atSession(target, target.runCommand());
    expect(deedsOf(await session.sees(/<.*>/))).toContain("take");
    await using direct = atSession(target, ["perl", join(target.talk, "pushing.pl"), ...streams]);
    expect(deedsOf(await direct.sees(/<.*>/))).toContain("take");
  });

  attackTest("a container without a terminal does nothing to its caller's", async () => {
    await using target = pusher(front, streams, false, allCapabilities);
    await using session = atSession(target, target.runCommand());
    // what it was given of it is open, by the OCI command line
    expect(deedsOf(await session.sees(/<.*>/))).toEqual(front === "oci" ? ["open"] : []);
    expect(await session.exit()).toBe(0);
  });

  attackTest("a container with a terminal pushes nothing into its caller's", async () => {
    await using target = pusher(front, streams, true, defaultCapabilities);
    const shell = [
      "sh",
      "-c",
      '"$@"; echo ended; read -r line; echo "[$line]"',
      "sh",
      ...target.runCommand(),
    ];
    await using session = atSession(target, shell);
    await session.sees("ended");
    session.type("typed\r");
    await session.sees("[typed]");
  });

  attackTest("exec's session is not another process's in the container", async () => {
    await using target = pusher(front, [], false, defaultCapabilities);
    target.configure(({ process }) => (process.args = ["sleep", "1000"]));
    await target.background();
    const words = ["sh", "-c", 'echo "at $(tty)"; read -r line; echo "[$line]"'];
    await using session = atSession(target, target.execCommand(words, { terminal: true }));
    await session.sees("at /dev/pts/0");
    for (const capabilities of [defaultCapabilities, allCapabilities]) {
      const thief = ["/usr/bin/perl", "/talk/pushing.pl", "/dev/pts/0", "/dev/console", "/dev/tty"];
      const { output } = await target.exec(thief, { capabilities: [...capabilities] });
      expect(output).toBe("<open /dev/pts/0>\n");
    }
    session.type("typed\r");
    await session.sees("[typed]");
  });

  attackTest("no master can be had inside, from whatever makes terminals", async () => {
    const script = `
      ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c ptmx; ls /dev/pts | tr '\\n' ' '
      /usr/bin/perl -e 'use Fcntl; for my $p ("/dev/ptmx", "/dev/pts/ptmx") { sysopen(my $m, $p, O_RDWR) or die;
        my $n = pack "i", -1; ioctl($m, 0x80045430, $n); print "new ", unpack("i", $n), "\\n" }'`;
    await using target = attack(front, ["sh", "-c", script], {
      terminal: true,
      mounts: perlMounts,
    });
    const { output } = await target.run();
    expect(output).toBe("0\r\n0 ptmx new 1\r\nnew 1\r\n");
  });
});

/** What a container puts in the place of its terminals, with CAP_SYS_ADMIN. */
const replaced: [string, string][] = [
  ["a tmpfs", "mount -t tmpfs t /dev/pts"],
  ["a FIFO in it", "mkfifo /fifo; mount --bind /fifo /dev/pts/ptmx"],
  ["another device", "mount --bind /dev/null /dev/pts/ptmx"],
  ["a terminal", "mount --bind /dev/tty /dev/pts/ptmx"],
  ["a symlink in a tmpfs", "mount -t tmpfs t /dev/pts; ln -s /dev/null /dev/pts/ptmx"],
  ["a symlink", "umount /dev/pts; rmdir /dev/pts; ln -s /proc/self/fd /dev/pts"],
  ["nothing", "umount /dev/pts; rmdir /dev/pts"],
];

describe.each(fronts)("%s exec with a terminal", (front) => {
  attackTest.each(replaced)("is refused where /dev/pts is %s", async (_, script) => {
    const capabilities = [...defaultCapabilities, "CAP_SYS_ADMIN"];
    const words = ["sh", "-c", `${script}; touch /talk/ready; exec sleep 1000`];
    await using target = attack(front, words, { capabilities });
    await target.background();
    await ready(target);
    const { refused, output } = await target.exec(["echo", "INSIDE"], { terminal: true });
    expect(refused).toMatch(/\/dev\/pts/);
    expect(output).not.toMatch(/^INSIDE/m);
  });
});

/** Of an image, where nothing is mounted on /dev. */
describe.each(fronts)("%s: an image's own", (front) => {
  attackTest.each(["console", "tty", "ptmx"])("/dev/%s is replaced, not used", async (name) => {
    const script = "stat -L -c '%F' /dev/console /dev/tty; readlink /dev/ptmx";
    await using target = attack(front, ["sh", "-c", script], { terminal: true });
    target.configure((config) => {
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev");
    });
    const text = join(target.talk, "text");
    writeFileSync(text, "of the host\n");
    mkdirSync(join(target.image, "dev"), { recursive: true });
    symlinkSync("/talk/text", join(target.image, "dev", name));
    const { output, refused } = await target.run();
    expect(refused).toBeUndefined();
    const device = "character special file\r\n";
    expect(output).toBe(`${device}${device}pts/ptmx\r\n`);
    expect(readFileSync(text, "utf8")).toBe("of the host\n");
  });
});
