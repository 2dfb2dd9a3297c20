/** describeFailure(): what the helper reports, in words a user can act on. */
import { expect, test } from "bun:test";
import { describeFailure } from "../../src/helper/failure.ts";

test.each<[string, string, string, string, number, string]>([
  ["lookup", "nosuch", "ENOENT", 'Cannot find "nosuch" in the container\'s PATH', 127, "full path"],
  ["execve", "/x", "ENOENT", 'Cannot find "/x" in the container', 127, "first line"],
  ["execve", "/etc", "EACCES", 'Cannot execute "/etc"', 126, "mode"],
  ["execve", "/x", "ENOEXEC", "not a program for this machine", 126, "architecture"],
  ["user", 'no user "bob" in the image', "", 'no user "bob" in the image', 125, "numeric id"],
  ["chdir", "/nope", "ENOENT", '"/nope" (ENOENT)', 125, "-w"],
  ["newuidmap", "refused the id ranges", "", "newuidmap refused the id ranges", 125, "/etc/subuid"],
  ["clone3", "", "EPERM", "user namespace (EPERM)", 125, "sysctl"],
  ["clone3", "", "ENOSPC", "user namespace (ENOSPC)", 125, "user.max_user_namespaces"],
  [
    "mount",
    "/d/c/rootfs",
    "EINVAL",
    "refused to mount the container's layers",
    125,
    "TSPOD_ROOTFS",
  ],
  ["open_tree", "/src", "ENOENT", 'Cannot mount "/src": it does not exist', 125, "create it"],
  ["write", "state.json", "ENOSPC", "ENOSPC", 125, "free some space"],
])("%s %s %s", (call, detail, errno, message, exitCode, next) => {
  const error = describeFailure({ call, detail, errno });
  expect(error.message).toContain(message);
  expect(error.exitCode).toBe(exitCode);
  expect(error.next).toContain(next);
});

test("a sentence without an errno is passed on", () => {
  const error = describeFailure({ call: "seccomp", detail: 'action "X" is unknown', errno: "" });
  expect(error.message).toBe('Cannot start the container: action "X" is unknown');
});
