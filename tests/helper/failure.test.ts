/** describeFailure(): what the helper reports, in words a user can act on. */
import { expect, test } from "bun:test";
import { describeFailure } from "../../src/helper/failure.ts";

test.each<[string, string, string, string, number, string]>([
  ["lookup", "nosuch", "ENOENT", 'Cannot find "nosuch" in the container\'s PATH', 127, "full path"],
  ["execve", "/x", "ENOENT", 'Cannot find "/x" in the container', 127, "first line"],
  ["execve", "/etc", "EACCES", 'Cannot execute "/etc"', 126, "mode"],
  ["execve", "/x", "ENOEXEC", "not a program for this machine", 126, "architecture"],
  ["user", 'no user "bob" in the image', "", 'no user "bob" in the image', 125, "numeric id"],
  ["chdir", "/nope", "ENOENT", '"/nope" (ENOENT)', 127, "-w"],
  ["chdir", "/closed", "EACCES", '"/closed" (EACCES)', 126, "-w"],
  ["openat2", "/proc", "EACCES", 'may open "/proc"', 125, "--rootfs"],
  ["output", "standard output", "ENOSPC", "to standard output: no space", 125, "free some space"],
  ["copy", 'you may not read "x" of "/r"', "", 'you may not read "x"', 125, "owner or mode"],
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
  ["mount", "/x", "EINVAL", 'to be mounted at "/x" (EINVAL)', 125, "a directory on a directory"],
  ["open_tree", "/src", "ENOENT", 'Cannot mount "/src": it does not exist', 125, "create it"],
  ["publish", "0.0.0.0:80/tcp", "EADDRINUSE", "80/tcp: the port is in use", 126, "sport = :80"],
  ["publish", "[::1]:53/udp", "EACCES", "Cannot publish [::1]:53/udp", 126, "port_start=53"],
  ["publish", "[::1]:53/udp", "EADDRNOTAVAIL", "no such address", 126, "ip address"],
  ["publish", "[::1]:53/udp", "EAFNOSUPPORT", "no IPv6", 126, "0.0.0.0"],
  ["publish", "1.2.3.4:1/tcp", "EMFILE", "so many ports", 125, "ulimit -n"],
  ["publish", "1.2.3.4:1/tcp", "EINVAL", "Cannot publish 1.2.3.4:1/tcp (EINVAL)", 125, "another"],
  ["tun", "/dev/net/tun", "ENOENT", "no access to /dev/net/tun (ENOENT)", 125, "modprobe tun"],
  ["tun", "eth0", "EPERM", 'tun "eth0" failed with EPERM', 125, "--network=host"],
  ["network", "pasta says: no", "", "network: pasta says: no", 125, "--network=host"],
  ["setns", "/run/netns/x", "EPERM", 'Cannot join the namespace "/run/netns/x"', 125, "as root"],
  ["setns", "/run/netns/x", "ENOENT", '"/run/netns/x": there is none', 125, "/proc/PID/ns/net"],
  ["setns", "/etc/x is no namespace", "", "Cannot join: /etc/x is no", 125, "/proc/PID/ns/net"],
  ["socket", "control.sock", "EMFILE", 'socket "control.sock"', 125, "ulimit -n"],
  ["fork", "", "EAGAIN", "fork failed with EAGAIN", 125, "ulimit -u"],
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
