//! The tiny process 1 of `--init`: starts the program, forwards signals to it, reaps whatever is orphaned, exits with
//! the program's status. Where the container has no pid namespace of its own it is not process 1, but orphans are left
//! to it all the same (PR_SET_CHILD_SUBREAPER), and the program dies with it.
//!
//! It is our own executable, run from a read-only detached mount, so that /proc/PID/exe can be written by nobody; and it
//! is not dumpable, so that nobody inside may trace it.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const lookup = @import("lookup.zig");
const ourselves = @import("ourselves.zig");
const linux = sys.linux;

/// What ps shows inside, and all it shows: no path of the host.
const title = "tspod-init";

/// Our own executable in a form that nobody inside can write to (CVE-2019-5736): a read-only detached mount, or where
/// that cannot be had, or the container's users may not execute the file, a sealed copy in memory. Call in the new
/// mount namespace while the host's root is still there; `path` and `identity` say what /proc/self/exe is.
pub fn openOurselves(path: [:0]const u8, identity: ?lookup.Identity) sys.Error!linux.fd_t {
    if (ourselves.readOnlyMount(path)) |fd| {
        if (isExecutableByAll(fd, identity)) return fd;
        _ = linux.close(fd);
    }
    return ourselves.copyToMemory(title);
}

pub fn isExecutableByAll(fd: linux.fd_t, identity: ?lookup.Identity) bool {
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS) return false;
    const own = identity orelse return false;
    return std.meta.eql(own, lookup.Identity.from(&stat)) and stat.mode & 0o001 != 0;
}

/// Become init. `file` is the program's path, `argv` its arguments; failures are told on `channel`, which is open across
/// execve.
pub fn execute(
    fd: linux.fd_t,
    channel: linux.fd_t,
    file: [:0]const u8,
    argv: [:null]?[*:0]const u8,
    envp: [:null]?[*:0]const u8,
) sys.Error {
    const static = struct {
        var words: [arguments_max + 6:null]?[*:0]const u8 = @splat(null);
        var number: [12]u8 = undefined;
    };
    if (argv.len > arguments_max) return sys.failFormat("execve", "more than {d} arguments", .{arguments_max});
    const number = std.fmt.bufPrintZ(&static.number, "{d}", .{channel}) catch unreachable;
    const fixed = [_][*:0]const u8{ title, "native", "init", number.ptr, file.ptr };
    for (fixed, 0..) |word, i| static.words[i] = word;
    for (argv, static.words[fixed.len..][0..argv.len]) |word, *slot| slot.* = word;
    const empty_path: linux.EXECVEAT = @bitCast(@as(u32, sys.at_empty_path));
    const rc = linux.execveat(fd, "", &static.words, envp.ptr, empty_path);
    _ = sys.check("execveat", "init", rc) catch |err| return err;
    unreachable;
}

/// With `--init` a command line is longer than this only by accident.
const arguments_max = 4096;

/// `native init CHANNEL FILE ARGV0 ARGS...`: never returns but with the program's status. Under another runtime there is
/// nobody to tell failures (an empty CHANNEL), and an empty FILE is looked up here: ARGV0 in PATH.
pub fn run(args: []const [*:0]const u8, environ: [*:null]const ?[*:0]const u8) u8 {
    if (args.len < 3) return 125;
    _ = linux.prctl(@intFromEnum(linux.PR.SET_CHILD_SUBREAPER), 1, 0, 0, 0);
    const channel = std.fmt.parseInt(linux.fd_t, std.mem.span(args[0]), 10) catch -1;
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    _ = linux.prctl(@intFromEnum(linux.PR.SET_NAME), @intFromPtr(title), 0, 0, 0);
    var all = linux.sigfillset();
    var before: linux.sigset_t = undefined;
    _ = linux.sigprocmask(linux.SIG.BLOCK, &all, &before);
    const rc = linux.fork();
    if (linux.errno(rc) != .SUCCESS) return 125;
    if (rc == 0) startProgram(channel, args[1..], environ, &before);
    const program: linux.pid_t = @intCast(rc);
    sys.closeFrom(0); // what was passed on is the program's alone
    hideArguments(args);
    return supervise(program, &all);
}

fn startProgram(
    channel: linux.fd_t,
    args: []const [*:0]const u8,
    environ: [*:null]const ?[*:0]const u8,
    mask: *const linux.sigset_t,
) noreturn {
    // As process 1 it takes everybody along.
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    _ = linux.sigprocmask(linux.SIG.SETMASK, mask, null);
    _ = linux.fcntl(channel, linux.F.SETFD, linux.FD_CLOEXEC);
    // A session of its own, with the terminal when there is one.
    _ = linux.setsid();
    _ = linux.ioctl(0, linux.T.IOCSCTTY, 0);
    executeProgram(args, environ) catch {};
    const line = event.failed();
    var message: [event.line_bytes_max + 1]u8 = undefined;
    message[0] = 'F';
    @memcpy(message[1..][0..line.used], line.bytes());
    _ = linux.write(channel, &message, line.used + 1);
    linux.exit_group(if (std.mem.eql(u8, sys.failure.?.call, "lookup")) 127 else 126);
}

fn executeProgram(args: []const [*:0]const u8, environ: [*:null]const ?[*:0]const u8) sys.Error!void {
    const name = std.mem.span(args[1]);
    const given = std.mem.span(args[0]);
    const file = if (given.len > 0) given else try lookup.find(name, pathOf(environ));
    const argv: [*:null]const ?[*:0]const u8 = @ptrCast(args[1..].ptr);
    _ = try sys.check("execve", name, linux.execve(file, argv, environ));
}

fn pathOf(environ: [*:null]const ?[*:0]const u8) ?[]const u8 {
    var i: usize = 0;
    while (environ[i]) |variable| : (i += 1) {
        const text = std.mem.span(variable);
        if (std.mem.startsWith(u8, text, "PATH=")) return text["PATH=".len..];
    }
    return null;
}

/// The words of a command line lie behind one another in memory; the kernel shows them from there.
fn hideArguments(args: []const [*:0]const u8) void {
    const last = args[args.len - 1];
    const end = @intFromPtr(last) + std.mem.span(last).len;
    const shown = @intFromPtr(args[0]) - title.len - "native".len - "init".len - 3;
    const area: [*]u8 = @ptrFromInt(shown);
    @memset(area[title.len .. end - shown], 0); // "tspod-init" itself stays
}

/// sigwaitinfo(2) on everything: a child that ended is reaped, any other signal goes to the program.
fn supervise(program: linux.pid_t, all: *const linux.sigset_t) u8 {
    while (true) {
        var info: linux.siginfo_t = undefined;
        const rc = linux.syscall4(.rt_sigtimedwait, @intFromPtr(all), @intFromPtr(&info), 0, @sizeOf(u64));
        if (linux.errno(rc) != .SUCCESS) continue; // interrupted
        const signal: linux.SIG = @enumFromInt(rc);
        if (signal != .CHLD) {
            _ = linux.kill(program, signal);
            continue;
        }
        if (reapAll(program)) |status| return status;
    }
}

fn reapAll(program: linux.pid_t) ?u8 {
    while (true) {
        var status: u32 = 0;
        const rc = linux.waitpid(-1, &status, linux.W.NOHANG);
        if (linux.errno(rc) != .SUCCESS or rc == 0) return null;
        if (rc != program) continue;
        if (linux.W.IFEXITED(status)) return linux.W.EXITSTATUS(status);
        return @truncate(128 + @intFromEnum(linux.W.TERMSIG(status)));
    }
}
