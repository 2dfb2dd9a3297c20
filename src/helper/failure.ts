/** `failed{call,detail,errno}` -> a sentence with a remedy. The only place that knows what an errno means where. */
import { type ErrorCode, TspodError } from "../errors.ts";

export interface Failure {
  call: string;
  detail: string;
  errno: string;
}

interface Meaning {
  code: ErrorCode;
  message: string;
  next?: string;
}

export function describeFailure(failure: Failure): TspodError {
  const { code, message, next } = meaning(failure);
  return new TspodError(code, message, next === undefined ? {} : { next });
}

function meaning({ call, detail, errno }: Failure): Meaning {
  switch (call) {
    case "lookup":
      return {
        code: "command.not_found",
        message: `Cannot find "${detail}" in the container's PATH`,
        next: "check the spelling, or give the program's full path",
      };
    case "execve":
      return execveMeaning(detail, errno);
    case "user":
      return {
        code: "container.start_failed",
        message: `Cannot find the user "${detail}" in the container's /etc/passwd and /etc/group`,
        next: "use a numeric id, e.g. -u 1000:1000, or a name the image knows",
      };
    case "chdir":
      return {
        code: "container.start_failed",
        message: `Cannot use "${detail}" as the working directory (${errno})`,
        next: "give a directory with -w",
      };
    case "newuidmap":
    case "newgidmap":
      return {
        code: "host.no_newuidmap",
        message: `${call} refused the user namespace map${detail === "" ? "" : `: ${detail}`}`,
        next: `check that ${call} is set-user-ID root and that /etc/subuid and /etc/subgid list you`,
      };
    case "clone3":
    case "unshare":
      return namespaceMeaning(errno);
    case "overlay":
      return {
        code: "host.overlay_refused",
        message: `The kernel refused an overlay mount (${errno}${detail === "" ? "" : `, ${detail}`})`,
        next: "see tspod info; TSPOD_ROOT on another file system, or fuse-overlayfs, may help",
      };
    case "mount":
      if (errno === "ENOENT") {
        return {
          code: "volume.source_missing",
          message: `Cannot mount "${detail}": it does not exist`,
          next: "create it first",
        };
      }
  }
  const what = detail === "" ? call : `${call} "${detail}"`;
  return {
    code: errno === "ENOSPC" || errno === "EDQUOT" ? "store.full" : "container.start_failed",
    message: errno === "" ? what : `Cannot start the container: ${what} failed with ${errno}`,
  };
}

function execveMeaning(detail: string, errno: string): Meaning {
  if (errno === "ENOENT") {
    return {
      code: "command.not_found",
      message: `Cannot find "${detail}" in the container, or the interpreter it names`,
      next: "check the path; a script's first line must name a program the image has",
    };
  }
  const why: Record<string, string> = {
    EACCES: "it is not an executable file, or its file system is mounted noexec",
    EISDIR: "it is a directory",
    ENOEXEC: "it is not a program for this machine, or a script without a #! line",
    EPERM: "the kernel does not permit it",
  };
  return {
    code: "command.not_executable",
    message: `Cannot execute "${detail}": ${why[errno] ?? errno}`,
    next: "check its mode and architecture",
  };
}

function namespaceMeaning(errno: string): Meaning {
  const remedies: Record<string, string> = {
    ENOSPC: "sudo sysctl user.max_user_namespaces=15000",
    EPERM:
      "sudo sysctl kernel.unprivileged_userns_clone=1 (Debian), or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu 23.10 and later)",
    EINVAL: "a kernel built with CONFIG_USER_NS and Linux 5.11 or later is needed",
  };
  return {
    code: "host.no_userns",
    message: `This host does not let you create a user namespace (${errno})`,
    next: remedies[errno] ?? "see tspod info",
  };
}
