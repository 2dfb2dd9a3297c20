//! What is taken from the process before it sees its first packet: files, privileges, and every system call it has no use
//! for. Whoever takes it over through a packet holds sockets as any program of this user's could make them, and nothing
//! else: no file, no process, no other namespace, no way to become anything.
const std = @import("std");
const builtin = @import("builtin");
const sys = @import("../sys.zig");
const linux = std.os.linux;
const BPF = linux.BPF;

pub fn enter() sys.Error!void {
    try enterWith(&filter);
}

/// Of the process that makes sockets (maker.zig) and does nothing else.
pub fn enterMaker() sys.Error!void {
    try enterWith(&maker_filter);
}

fn enterWith(instructions: []const Instruction) sys.Error!void {
    leaveFiles();
    try dropCapabilities();
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    _ = try sys.check("prctl", "no_new_privs", linux.prctl(@intFromEnum(linux.PR.SET_NO_NEW_PRIVS), 1, 0, 0, 0));
    const program: Program = .{ .length = @intCast(instructions.len), .instructions = instructions.ptr };
    _ = try sys.check("seccomp", "", linux.seccomp(linux.SECCOMP.SET_MODE_FILTER, 0, &program));
}

/// Namespaces with nothing in them. Where this host lets nobody have those, the filter alone keeps us from files.
fn leaveFiles() void {
    const others = linux.CLONE.NEWNS | linux.CLONE.NEWIPC | linux.CLONE.NEWUTS;
    if (linux.errno(linux.unshare(linux.CLONE.NEWUSER | others)) != .SUCCESS) {
        if (linux.errno(linux.unshare(others)) != .SUCCESS) return;
    }
    if (linux.errno(linux.mount(null, "/", null, linux.MS.REC | linux.MS.PRIVATE, 0)) != .SUCCESS) return;
    const flags = linux.MS.NOSUID | linux.MS.NODEV | linux.MS.NOEXEC | linux.MS.RDONLY;
    const place = for ([_][*:0]const u8{ "/tmp", "/proc", "/dev" }) |path| {
        if (linux.errno(linux.mount("none", path, "tmpfs", flags, @intFromPtr("size=4k,nr_inodes=2"))) == .SUCCESS) break path;
    } else return;
    if (linux.errno(linux.chdir(place)) != .SUCCESS) return;
    if (linux.errno(linux.syscall2(.pivot_root, @intFromPtr("."), @intFromPtr("."))) != .SUCCESS) return;
    _ = linux.umount2(".", linux.MNT.DETACH);
    _ = linux.chdir("/");
}

const Header = extern struct { version: u32 = 0x20080522, pid: i32 = 0 }; // _LINUX_CAPABILITY_VERSION_3
const Data = extern struct { effective: u32 = 0, permitted: u32 = 0, inheritable: u32 = 0 };

fn dropCapabilities() sys.Error!void {
    const last = 63;
    for (0..last + 1) |number| {
        if (linux.errno(linux.prctl(@intFromEnum(linux.PR.CAPBSET_DROP), number, 0, 0, 0)) != .SUCCESS) break;
    }
    const header: Header = .{};
    const none: [2]Data = @splat(.{});
    _ = try sys.check("capset", "", linux.syscall2(.capset, @intFromPtr(&header), @intFromPtr(&none)));
}

// The filter ----------------------------------------------------------------------------------------------------

const Instruction = extern struct { code: u16, jt: u8 = 0, jf: u8 = 0, k: u32 };
const Program = extern struct { length: u16, instructions: [*]const Instruction };

/// In the order of how often they are made.
const allowed = [_][]const u8{
    "read",      "write",       "recvfrom", "sendto",       "epoll_wait",    "epoll_pwait",     "getsockopt",
    "epoll_ctl", "setsockopt",  "close",    "accept4",      "connect",       "shutdown",        "recvmsg",
    "sendmsg",   "bind",        "listen",   "getsockname",  "clock_gettime", "getrandom",       "poll",
    "ppoll",     "exit_group",  "exit",     "rt_sigreturn", "munmap",        "restart_syscall", "splice",
    "pipe2",     "getpeername", "fcntl",    "recvmmsg",     "writev",        "sendmmsg",
};

const families = [_]u32{ linux.AF.INET, linux.AF.INET6, linux.AF.NETLINK };

const audit_architecture: u32 = switch (builtin.cpu.arch) {
    .x86_64 => 0xC000003E,
    .aarch64 => 0xC00000B7,
    else => @compileError("unsupported architecture"),
};

const load = BPF.LD | BPF.W | BPF.ABS;
const equal = BPF.JMP | BPF.JEQ | BPF.K;
const give = BPF.RET | BPF.K;

const filter = blk: {
    const code = filterOf(&allowed);
    break :blk code[0..code.len].*;
};
const maker_filter = blk: {
    const code = filterOf(&.{ "recvfrom", "sendmsg", "close", "exit_group", "rt_sigreturn", "restart_syscall" });
    break :blk code[0..code.len].*;
};

/// Everything else ends the process at once, and the monitor starts a new one.
fn filterOf(comptime calls: []const []const u8) []const Instruction {
    @setEvalBranchQuota(100_000);
    const kill: Instruction = .{ .code = give, .k = linux.SECCOMP.RET.KILL_PROCESS };
    const allow: Instruction = .{ .code = give, .k = linux.SECCOMP.RET.ALLOW };
    var code: []const Instruction = &.{
        .{ .code = load, .k = @offsetOf(linux.SECCOMP.data, "arch") },
        .{ .code = equal, .k = audit_architecture, .jt = 1 },
        kill,
        .{ .code = load, .k = @offsetOf(linux.SECCOMP.data, "nr") },
    };
    for (calls) |name| {
        if (!@hasField(linux.SYS, name)) continue; // not on every architecture
        const number = @intFromEnum(@field(linux.SYS, name));
        code = code ++ &[_]Instruction{ .{ .code = equal, .k = number, .jf = 1 }, allow };
    }
    code = code ++ &[_]Instruction{ .{ .code = equal, .k = @intFromEnum(linux.SYS.socket), .jt = 1 }, kill };
    code = code ++ &[_]Instruction{.{ .code = load, .k = @offsetOf(linux.SECCOMP.data, "arg0") }};
    for (families) |family| code = code ++ &[_]Instruction{ .{ .code = equal, .k = family, .jf = 1 }, allow };
    return code ++ &[_]Instruction{kill};
}

fn inCage(comptime act: fn () void) !u32 {
    const pid = linux.fork();
    if (pid == 0) {
        enter() catch linux.exit_group(100);
        act();
        linux.exit_group(0);
    }
    return sys.waitExit(@intCast(pid));
}

test "in the cage there are sockets, and nothing else" {
    const acts = struct {
        fn socket() void {
            if (linux.errno(linux.socket(linux.AF.INET, linux.SOCK.STREAM, 0)) != .SUCCESS) linux.exit_group(1);
        }
        fn unix() void {
            _ = linux.socket(linux.AF.UNIX, linux.SOCK.STREAM, 0);
        }
        fn open() void {
            _ = linux.open("/", .{}, 0);
        }
        fn fork() void {
            _ = linux.fork();
        }
    };
    const killed = 128 + @intFromEnum(linux.SIG.SYS);
    try std.testing.expectEqual(0, try inCage(acts.socket));
    try std.testing.expectEqual(killed, try inCage(acts.unix));
    try std.testing.expectEqual(killed, try inCage(acts.open));
    try std.testing.expectEqual(killed, try inCage(acts.fork));
}
