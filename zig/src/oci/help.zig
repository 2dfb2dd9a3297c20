//! `--help`.
const sys = @import("../sys.zig");

const text =
    \\Usage: tspod oci [OPTION]... COMMAND [OPTION]... [WORD]...
    \\
    \\An OCI runtime; also by the name tspod-oci.
    \\
    \\Commands:
    \\  create ID          make a container that waits for start
    \\  start ID           execute its program
    \\  run ID             create and start
    \\  state ID           show its state as JSON
    \\  kill ID [SIGNAL]   send it a signal (TERM)
    \\  delete ID          remove what is left of it
    \\
    \\Options:
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
