//! `spec`: a config.json to begin with, in the bundle's directory.
const std = @import("std");
const sys = @import("../sys.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const version = @import("version.zig");
const words = @import("words.zig");
const linux = sys.linux;

const Text = contexts.Text;

const Options = struct {
    bundle: ?Text = null,
    rootless: bool = false,
    pub const names = .{.{ "b", "bundle" }};
};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    try words.none(parsed.words, "spec [--rootless] [--bundle DIR]");
    if (parsed.options.bundle) |path| _ = try sys.check("bundle", path, linux.chdir(path));
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .CLOEXEC = true };
    const rc = linux.open("config.json", flags, 0o666);
    if (linux.errno(rc) == .EXIST) return sys.fail("spec", "config.json exists already: remove it first");
    const fd = try sys.checkFd("open", "config.json", rc);
    defer _ = linux.close(fd);
    const text = if (parsed.options.rootless) std.fmt.allocPrint(context.arena, rootless, .{
        linux.geteuid(), linux.getegid(),
    }) else std.fmt.allocPrint(context.arena, privileged, .{});
    try sys.writeAll(fd, text catch return contexts.outOfMemory());
    return 0;
}

const privileged = before ++ gid_tty ++ between ++ own_sysfs ++ after_mounts ++
    \\    "namespaces": [
    \\      {{ "type": "pid" }}, {{ "type": "network" }}, {{ "type": "ipc" }}, {{ "type": "uts" }},
    \\      {{ "type": "mount" }}, {{ "type": "cgroup" }}
    \\    ],
    \\
++ end;

/// The caller is its only user; the network is the host's.
const rootless = before ++ between ++ host_sysfs ++ after_mounts ++
    \\    "uidMappings": [{{ "containerID": 0, "hostID": {d}, "size": 1 }}],
    \\    "gidMappings": [{{ "containerID": 0, "hostID": {d}, "size": 1 }}],
    \\    "namespaces": [
    \\      {{ "type": "pid" }}, {{ "type": "ipc" }}, {{ "type": "uts" }}, {{ "type": "mount" }},
    \\      {{ "type": "cgroup" }}, {{ "type": "user" }}
    \\    ],
    \\
++ end;

const capabilities = "[\"CAP_AUDIT_WRITE\", \"CAP_KILL\", \"CAP_NET_BIND_SERVICE\"]";

const before =
    \\{{
    \\  "ociVersion": "
++ version.specification ++
    \\",
    \\  "process": {{
    \\    "terminal": true,
    \\    "user": {{ "uid": 0, "gid": 0 }},
    \\    "args": ["sh"],
    \\    "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    \\    "cwd": "/",
    \\    "capabilities": {{
    \\      "bounding":
++ " " ++ capabilities ++ ",\n      \"effective\": " ++ capabilities ++ ",\n      \"permitted\": " ++ capabilities ++
    \\
    \\    }},
    \\    "rlimits": [{{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }}],
    \\    "noNewPrivileges": true
    \\  }},
    \\  "root": {{ "path": "rootfs", "readonly": true }},
    \\  "hostname": "tspod",
    \\  "mounts": [
    \\    {{ "destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"] }},
    \\    {{
    \\      "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
    \\      "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]
    \\    }},
    \\    {{
    \\      "destination": "/dev/pts", "type": "devpts", "source": "devpts",
    \\      "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"
;

const gid_tty = ", \"gid=5\"";

const between =
    \\]
    \\    }},
    \\    {{
    \\      "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
    \\      "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]
    \\    }},
    \\    {{
    \\      "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
    \\      "options": ["nosuid", "noexec", "nodev"]
    \\    }},
    \\    {{
    \\      "destination": "/sys",
;

const own_sysfs = " \"type\": \"sysfs\", \"source\": \"sysfs\",\n      \"options\": [\"nosuid\", \"noexec\", \"nodev\", \"ro\"]";
const host_sysfs = " \"type\": \"none\", \"source\": \"/sys\",\n      \"options\": [\"rbind\", \"nosuid\", \"noexec\", \"nodev\", \"ro\"]";

const after_mounts =
    \\
    \\    }},
    \\    {{
    \\      "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
    \\      "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]
    \\    }}
    \\  ],
    \\  "linux": {{
    \\
;

const end =
    \\    "maskedPaths": [
    \\      "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
    \\      "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
    \\    ],
    \\    "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    \\  }}
    \\}}
    \\
;

test "what it writes is a config.json" {
    const contract = @import("../contract.zig");
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const plain = try contract.parse(contract.Spec, arena, "p", try std.fmt.allocPrint(arena, privileged, .{}));
    try std.testing.expectEqual(@as(usize, 6), plain.linux.namespaces.len);
    const own = try contract.parse(contract.Spec, arena, "r", try std.fmt.allocPrint(arena, rootless, .{ 7, 8 }));
    try std.testing.expectEqual(@as(u32, 8), own.linux.gidMappings[0].hostID);
    try std.testing.expectEqual(@as(usize, 7), own.mounts.len);
}
