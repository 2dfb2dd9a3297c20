//! `--help`.
const sys = @import("../sys.zig");

const text =
    \\Usage: tspod oci [OPTION]... COMMAND [OPTION]... [WORD]...
    \\
    \\An OCI runtime; also by the name tspod-oci.
    \\
    \\Commands:
    \\  create ID              make a container that waits for start
    \\  start ID               execute its program
    \\  run ID                 create and start; its status becomes ours, unless --detach
    \\  state ID               show its state as JSON
    \\  list                   show all containers
    \\  exec ID COMMAND...     execute a further program in it
    \\  ps ID                  show its processes
    \\  kill ID [SIGNAL]       send it a signal (TERM); to all of its processes with --all
    \\  pause ID, resume ID    stop all of it, let it go on
    \\  update ID              change its limits
    \\  events ID              show what it uses, and when it runs out of memory
    \\  delete ID              remove what is left of it; --force kills it first
    \\  spec                   write a config.json to begin with
    \\  features               show what config.json may ask for, as JSON
    \\
    \\Options of create and run:
    \\  -b, --bundle DIR          the directory of config.json (.)
    \\  -f, --config FILE         another file in it
    \\      --pid-file FILE       where to write the process's number
    \\      --console-socket PATH where to send its terminal
    \\      --preserve-fds N      pass on descriptors 3 to 3+N-1
    \\      --no-new-keyring      leave it the caller's session keys
    \\      --no-pivot            where the host's root is a ramdisk
    \\  -d, --detach              run: do not stay with it
    \\      --keep                run: leave its record when it has ended
    \\
    \\Options of exec:
    \\  -p, --process FILE        all of it is in this file (config.json's process)
    \\  -t, --tty                 with a terminal
    \\  -u, --user UID[:GID]      or names that the container knows
    \\  -g, --additional-gids GID
    \\      --cwd DIR, -e, --env NAME=VALUE, -c, --cap CAPABILITY, --no-new-privs,
    \\      --apparmor PROFILE, --process-label LABEL, --ignore-paused
    \\  -d, --detach, --pid-file, --console-socket, --preserve-fds as above
    \\
    \\Options of update:
    \\  -r, --resources FILE      config.json's linux.resources; - is standard input
    \\      --memory, --memory-reservation, --memory-swap, --cpu-shares, --cpu-quota,
    \\      --cpu-period, --cpu-burst, --cpu-idle, --cpuset-cpus, --cpuset-mems,
    \\      --pids-limit, --blkio-weight
    \\
    \\Options before the command:
    \\  --root DIR                where containers are recorded
    \\  --log FILE                also tell errors there
    \\  --log-format text|json    and how
    \\  --systemd-cgroup          make cgroups through systemd
    \\  --cgroup-manager NAME     cgroupfs, systemd or disabled
    \\  -v, --version
    \\  -h, --help
    \\
;

pub fn print() u8 {
    sys.writeAll(1, text) catch return 1;
    return 0;
}
