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

const starting = "Cannot start the container: ";

/** `doing`: what could not be done, where it was not the start. */
export function describeFailure(failure: Failure, doing?: string): TspodError {
  const { code, message, next } = meaning(failure);
  const sentence = doing === undefined ? message : message.replace(starting, `Cannot ${doing}: `);
  return new TspodError(code, sentence, next === undefined ? {} : { next });
}

/** As of the program itself: what starts a process in a container ends so, whichever of the two it lacks. */
const chdirCodes: Readonly<Record<string, ErrorCode>> = {
  ENOENT: "command.not_found",
  ENOTDIR: "command.not_found",
  EACCES: "command.not_executable",
};

/** What a container's own begins with is one of the user's (src/store/paths.ts). */
const isRuntimeDirectory = /\/[0-9a-f]{24}$/;

function meaning(failure: Failure): Meaning {
  const { call, detail, errno } = failure;
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
        message: `Cannot run as the user asked for: ${detail}`,
        next: "use a numeric id, e.g. -u 1000:1000, or a name the image knows",
      };
    case "setresuid":
    case "setresgid":
    case "setgroups":
      if (errno !== "") break;
      return {
        code: "container.start_failed",
        message: `Cannot run as the user asked for: ${detail}`,
        next: "run as one that is, with -u, or map it with --uidmap and --gidmap",
      };
    case "chdir":
      return {
        code: chdirCodes[errno] ?? "container.start_failed",
        message: `Cannot use the working directory: ${errno === "" ? detail : `"${detail}" (${errno})`}`,
        next: "give a directory with -w",
      };
    case "output":
      return outputMeaning(failure);
    case "copy":
      return {
        code: "container.start_failed",
        message: starting + detail,
        next: "a root that is copied you must be able to read: change its owner or mode",
      };
    case "open":
    case "openat2":
      if (errno !== "EACCES") break;
      return {
        code: "container.start_failed",
        message: `${starting}not even root in it may open "${detail}" (EACCES)`,
        next: "of --rootfs, and where something is mounted, give directories that you may look into",
      };
    case "newuidmap":
    case "newgidmap":
      return {
        code: "host.no_newuidmap",
        message: `${call} ${errno === "" ? detail : `failed with ${errno}`}`,
        next: `sudo chmod u+s "$(command -v ${call})", or reinstall its package (uidmap); check /etc/subuid and /etc/subgid`,
      };
    case "clone3":
    case "unshare":
    case "uid_map":
    case "gid_map":
      return namespaceMeaning(errno);
    case "mount":
    case "open_tree":
      return mountMeaning(failure);
    case "mkdir":
      if (!isRuntimeDirectory.test(detail) || !/^(ENOENT|EACCES|EROFS|ENOTDIR)$/.test(errno)) break;
      return {
        code: "store.unwritable",
        message: `${starting}"${detail.replace(isRuntimeDirectory, "")}" cannot be made (${errno})`,
        next: "set XDG_RUNTIME_DIR to a directory of your own that is there; a login makes /run/user/UID",
      };
    case "cgroup":
    case "cgroup.procs":
      return cgroupMeaning(failure);
    case "joined":
      return {
        code: "container.not_running",
        message: `Cannot start the container again: ${detail}`,
        next: "start that one first, then this one: tspod start",
      };
    case "paused":
      return {
        code: "container.paused",
        message: "The container is paused",
        next: "let it go on first: tspod unpause",
      };
    case "oom_score_adj":
      return {
        code: "container.start_failed",
        message: `Cannot set --oom-score-adj (${errno})`,
        next: "only root may make a container less likely to be killed than you are: use 0 or more",
      };
    case "sysctl":
      if (errno === "") break;
      return sysctlMeaning(detail, errno);
    case "publish":
      return publishMeaning(detail, errno);
    case "tun":
    case "netlink":
    case "network":
      return networkMeaning(failure);
    case "setns":
      return joinMeaning(failure);
    case "runtime":
      return {
        code: "runtime.failed",
        message:
          errno === ""
            ? `The container's runtime failed: ${detail}`
            : `Cannot execute the runtime "${detail}" (${errno})`,
        next: "without --runtime a container is made by tspod's own",
      };
  }
  return otherwise(failure);
}

/** An empty errno means that the detail is a sentence already. */
function otherwise({ call, detail, errno }: Failure): Meaning {
  const isFull = errno === "ENOSPC" || errno === "EDQUOT";
  const what = [call, detail === "" ? "" : `"${detail}"`].filter(Boolean).join(" ");
  return {
    code: isFull ? "store.full" : "container.start_failed",
    message: errno === "" ? `${starting}${detail}` : `${starting}${what} failed with ${errno}`,
    next: isFull
      ? "free some space, or set TSPOD_ROOT to a directory with room"
      : (remedies[errno] ?? "tspod info shows what this host offers"),
  };
}

/** Whatever was called. */
const remedies: Readonly<Record<string, string>> = {
  EMFILE: "allow more open files: ulimit -n 1024",
  ENFILE: "the host has too many files open: end something, or raise fs.file-max",
  EAGAIN: "allow more processes (ulimit -u), or end some",
  ENOMEM: "the host has no memory left: end something",
};

/** Of a foreground: what the program has written is not all where it was to go. */
function outputMeaning({ detail, errno }: Failure): Meaning {
  const isFull = errno === "ENOSPC" || errno === "EDQUOT";
  return {
    code: "files.refused",
    message: `Cannot write to ${detail}: ${isFull ? "no space is left where it goes" : errno}`,
    next: isFull ? "free some space there, or choose another place" : "choose another place",
  };
}

/** A sentence of the cgroup room may bring its remedy with it. */
function cgroupMeaning(failure: Failure): Meaning {
  if (failure.errno !== "") return otherwise(failure);
  const [reason = "", next = "tspod info shows what this host offers"] =
    failure.detail.split("; to fix it: ");
  return { code: "host.no_cgroup", message: `${starting}${reason}`, next };
}

/** `path` is one below /proc. */
function sysctlMeaning(path: string, errno: string): Meaning {
  const name = path.replace(/^sys\//, "").replaceAll("/", ".");
  const why: Record<string, string> = {
    ENOENT: "a container of this kernel has none of that name",
    EINVAL: "the kernel refuses the value",
    ERANGE: "the kernel refuses the value",
  };
  return {
    code: "container.start_failed",
    message: `Cannot set "${name}": ${why[errno] ?? `the kernel does not permit it (${errno})`}`,
    next: "sysctl -a in a container shows what there is; change or leave away --sysctl",
  };
}

/** Of a namespace by its path. */
function joinMeaning(failure: Failure): Meaning {
  const { detail, errno } = failure;
  const code = "network.unavailable";
  const isThere = "give that of a process that runs, e.g. /proc/PID/ns/net";
  if (!detail.startsWith("/")) return otherwise(failure);
  if (errno === "") return { code, message: `Cannot join: ${detail}`, next: isThere };
  const why: Record<string, string> = {
    ENOENT: "there is none",
    EACCES: "it is not yours to look at",
    EPERM: "it belongs to a user namespace that is not yours to be in",
  };
  if (!Object.hasOwn(why, errno)) return otherwise(failure);
  return {
    code,
    message: `Cannot join the namespace "${detail}": ${why[errno]}`,
    next:
      errno === "ENOENT"
        ? isThere
        : "share that of a container by its name, --network=container:NAME, or run as root",
  };
}

/** `port`: "0.0.0.0:80/tcp". */
function publishMeaning(port: string, errno: string): Meaning {
  const cannot = `Cannot publish ${port}`;
  const number = /:(\d+)/.exec(port.replace(/^\[[^\]]*\]/, ""))?.[1] ?? "80";
  switch (errno) {
    case "EADDRINUSE":
      return {
        code: "port.in_use",
        message: `${cannot}: the port is in use`,
        next: `ss -lntup "sport = :${number}" shows by what; publish another port of the host, or end that`,
      };
    case "EACCES":
    case "EPERM":
      return {
        code: "port.privileged",
        message: `${cannot}: an ordinary user may not have a port that low`,
        next: `sudo sysctl net.ipv4.ip_unprivileged_port_start=${number}, or publish a higher port of the host`,
      };
    case "EADDRNOTAVAIL":
      return {
        code: "port.no_address",
        message: `${cannot}: this host has no such address`,
        next: "ip address shows those it has",
      };
    case "EAFNOSUPPORT":
      return {
        code: "port.no_address",
        message: `${cannot}: this host has no IPv6`,
        next: "publish on an IPv4 address, e.g. -p 0.0.0.0:8080:80",
      };
    case "EMFILE":
    case "ENFILE":
      return {
        code: "network.failed",
        message: `${cannot}: you may not have so many ports open at once (${errno})`,
        next: "raise the limit, ulimit -n, or publish fewer ports",
      };
  }
  return {
    code: "network.failed",
    message: errno === "" ? `Cannot publish the ports: ${port}` : `${cannot} (${errno})`,
    next: "publish another port of the host",
  };
}

/** An empty errno means that the detail is a sentence already. */
function networkMeaning({ call, detail, errno }: Failure): Meaning {
  const cannot = "Cannot make the container's network: ";
  if (detail === "/dev/net/tun") {
    return {
      code: "network.unavailable",
      message: `${cannot}this host gives no access to /dev/net/tun (${errno})`,
      next: "sudo modprobe tun && sudo chmod 666 /dev/net/tun, or use --network=none or --network=host",
    };
  }
  return {
    code: "network.unavailable",
    message: cannot + (errno === "" ? detail : `${call} "${detail}" failed with ${errno}`),
    next: "--network=host and --network=none get by without one",
  };
}

function mountMeaning(failure: Failure): Meaning {
  const { call, detail, errno } = failure;
  if (call === "mount" && detail.endsWith("/rootfs") && errno !== "") {
    return {
      code: "host.overlay_refused",
      message: `The kernel refused to mount the container's layers (${errno})`,
      next: "TSPOD_ROOTFS=fuse-overlayfs or TSPOD_ROOTFS=copy gets by without its overlay",
    };
  }
  if (call === "open_tree" && errno === "ENOENT") {
    return {
      code: "volume.source_missing",
      message: `Cannot mount "${detail}": it does not exist`,
      next: "create it first",
    };
  }
  if (call === "mount" && (errno === "EINVAL" || errno === "ENOTDIR")) {
    return {
      code: "container.start_failed",
      message: `${starting}the kernel refuses what is to be mounted at "${detail}" (${errno})`,
      next: "check its options; only a file goes on a file, and a directory on a directory",
    };
  }
  return otherwise(failure);
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
