/**
 * The skips that are right, in one place. A test that cannot run here carries its reason in its name
 * ("... [skipped: reason]"); under CI=true a skip whose reason is not listed counts as a failure.
 */

export const expectedSkips: { reason: RegExp; because: string }[] = [
  {
    reason: /no \.\.\/shared\/images/,
    because:
      "the project commits no images; the same tests also run with images built from busybox",
  },
  {
    reason: /another distribution's lists are newer/,
    because: "what differs from ours is the same, but not each of it differs in newer lists",
  },
  {
    reason: /only real root makes device nodes/,
    because: "npm test runs as an ordinary user; bun test of the same file, as root, runs it",
  },
  {
    reason: /no delegated cgroup v2|no controller \w+|this host has /,
    because: "hosts differ: in what is delegated, and in what the kernel was built with",
  },
  {
    reason: /no TSPOD_CROWD/,
    because: "a network full of connections takes longer than the rest of its file",
  },
  {
    reason: /no TSPOD_DEBIAN_TREE with its programs/,
    because: "mmdebstrap and a mirror of Debian's take minutes, which somebody has to spend first",
  },
  {
    reason: /no TSPOD_VM, which boots a machine/,
    because:
      "booting a Debian needs an emulator and an image of it, which the project does not carry",
  },
];

export function unexpectedSkips(skipped: string[]): string[] {
  return skipped.filter((name) => !expectedSkips.some(({ reason }) => reason.test(name)));
}
