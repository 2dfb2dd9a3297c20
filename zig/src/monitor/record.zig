//! What a monitor leaves on disk: the runtime directory with its sockets and state.json, and exit.json in the
//! container directory. Published by rename, so a reader sees the whole file or none.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const clock = @import("clock.zig");
const linux = sys.linux;

const private_mode = 0o700;
const directory_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
const sockets = [_][:0]const u8{ "control.sock", "attach.sock", "net.sock" };
const backlog = 64;

/// A path copied out of the arena: the monitor gives that memory back.
pub const Path = struct {
    buffer: [linux.PATH_MAX]u8 = undefined,
    length: usize = 0,

    pub fn set(path: *Path, text: []const u8) sys.Error!void {
        if (text.len >= path.buffer.len) return sys.fail("open", "a path is too long");
        @memcpy(path.buffer[0..text.len], text);
        path.buffer[text.len] = 0;
        path.length = text.len;
    }

    pub fn get(path: *const Path) [:0]const u8 {
        return path.buffer[0..path.length :0];
    }
};

/// Make the runtime directory, private to the caller, with its parent when that is missing. What a killed monitor
/// left in it is removed: TypeScript holds the container's name, so nobody else is alive in there.
pub fn makeRuntimeDir(path: [:0]const u8) sys.Error!linux.fd_t {
    var rc = linux.mkdir(path, private_mode);
    if (linux.errno(rc) == .NOENT) {
        var parent: Path = .{};
        try parent.set(std.fs.path.dirname(path) orelse "/");
        const made = linux.mkdir(parent.get(), private_mode);
        if (linux.errno(made) != .EXIST) _ = try sys.check("mkdir", path, made);
        rc = linux.mkdir(path, private_mode);
    }
    const existed = linux.errno(rc) == .EXIST;
    if (!existed) _ = try sys.check("mkdir", path, rc);
    const fd = try sys.checkFd("open", path, linux.open(path, directory_flags, 0));
    if (existed) clean(fd);
    return fd;
}

pub fn removeRuntimeDir(directory: linux.fd_t, path: [:0]const u8) void {
    clean(directory);
    _ = linux.rmdir(path);
}

fn clean(directory: linux.fd_t) void {
    for (sockets) |name| _ = linux.unlinkat(directory, name, 0);
    for ([_][:0]const u8{ "state.json", "state.json.tmp" }) |name| _ = linux.unlinkat(directory, name, 0);
}

pub const Listeners = struct { control: linux.fd_t, attach: linux.fd_t };

pub fn listen(directory: linux.fd_t) sys.Error!Listeners {
    return .{
        .control = try listenAt(directory, sockets[0]),
        .attach = try listenAt(directory, sockets[1]),
    };
}

/// sockaddr_un holds 107 bytes of path: named by descriptor, any directory fits.
pub fn address(directory: linux.fd_t, name: []const u8) linux.sockaddr.un {
    var value: linux.sockaddr.un = .{ .path = @splat(0) };
    _ = std.fmt.bufPrint(&value.path, "/proc/self/fd/{d}/{s}", .{ directory, name }) catch unreachable;
    return value;
}

/// A socket of the file system's that is not waited for longer than that, once it is connected.
pub fn patientSocket(kind: u32, name: []const u8, patience_s: i64) sys.Error!linux.fd_t {
    const fd = try sys.checkFd("socket", name, linux.socket(linux.AF.UNIX, kind | linux.SOCK.CLOEXEC, 0));
    const patience: linux.timeval = .{ .sec = patience_s, .usec = 0 };
    const bytes = std.mem.asBytes(&patience);
    _ = linux.setsockopt(fd, linux.SOL.SOCKET, linux.SO.RCVTIMEO, bytes, bytes.len);
    _ = linux.setsockopt(fd, linux.SOL.SOCKET, linux.SO.SNDTIMEO, bytes, bytes.len);
    return fd;
}

/// Where `net` is asked for ports: in the directory of `path`, which is ours. What was there before is gone.
pub fn listenForPorts(path: [:0]const u8) sys.Error!linux.fd_t {
    var parent: Path = .{};
    try parent.set(std.fs.path.dirname(path) orelse "/");
    const directory = try sys.checkFd("open", parent.get(), linux.open(parent.get(), directory_flags, 0));
    defer _ = linux.close(directory);
    _ = linux.unlinkat(directory, sockets[2], 0);
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const fd = try sys.checkFd("socket", path, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    const where = address(directory, sockets[2]);
    _ = try sys.check("bind", path, linux.bind(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("listen", path, linux.listen(fd, backlog));
    return fd;
}

fn listenAt(directory: linux.fd_t, name: [:0]const u8) sys.Error!linux.fd_t {
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
    const fd = try sys.checkFd("socket", name, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    const where = address(directory, name);
    _ = try sys.check("bind", name, linux.bind(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("listen", name, linux.listen(fd, backlog));
    return fd;
}

pub fn connect(directory: linux.fd_t, name: []const u8) sys.Error!linux.fd_t {
    const fd = try sys.checkFd("socket", name, linux.socket(linux.AF.UNIX, linux.SOCK.STREAM | linux.SOCK.CLOEXEC, 0));
    errdefer _ = linux.close(fd);
    const where = address(directory, name);
    _ = try sys.check("connect", name, linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un)));
    return fd;
}

pub fn writeState(directory: linux.fd_t, state: contract.State) sys.Error!void {
    return publish(directory, "state.json", state);
}

pub const Exit = struct {
    exitCode: u32,
    signal: ?u8,
    oomKilled: bool,
    startedAt: []const u8,
    finishedAt: []const u8,
    /// Somebody asked for it: it is not to be started again by itself.
    stoppedByUser: ?bool = null,
    restartCount: ?u32 = null,
    /// Why it could not be started again: what the event `failed` says.
    failure: ?Raw = null,
};

/// Text that is JSON already.
pub const Raw = struct {
    text: []const u8,

    pub fn jsonStringify(raw: Raw, writer: *std.json.Stringify) std.json.Stringify.Error!void {
        try writer.beginWriteRaw();
        try writer.writer.writeAll(raw.text);
        writer.endWriteRaw();
    }
};

pub fn writeExit(container_dir: [:0]const u8, exit: Exit) sys.Error!void {
    const directory = try sys.checkFd("open", container_dir, linux.open(container_dir, directory_flags, 0));
    defer _ = linux.close(directory);
    try publish(directory, "exit.json", exit);
    _ = linux.unlinkat(directory, "run.json", 0); // exit.json says when it was started, too
}

/// That it was started, which the runtime directory forgets with a reboot.
pub fn writeRun(container_dir: [:0]const u8, started_at: []const u8) sys.Error!void {
    const directory = try sys.checkFd("open", container_dir, linux.open(container_dir, directory_flags, 0));
    defer _ = linux.close(directory);
    return publish(directory, "run.json", .{ .startedAt = started_at });
}

/// Not synchronised to disk: after a crash of the machine a container without exit.json is one that was running.
fn publish(directory: linux.fd_t, comptime name: [:0]const u8, value: anytype) sys.Error!void {
    var buffer: [4096 + linux.PATH_MAX]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    std.json.Stringify.value(value, .{ .emit_null_optional_fields = false }, &w) catch return sys.fail("write", name);
    w.writeByte('\n') catch return sys.fail("write", name);
    const temporary = name ++ ".tmp";
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", temporary, linux.openat(directory, temporary, flags, 0o600));
    {
        defer _ = linux.close(fd);
        try sys.writeAll(fd, w.buffered());
    }
    _ = try sys.check("rename", name, linux.renameat(directory, temporary, directory, name));
}

/// Field 22 of /proc/PID/stat: when the process started, in clock ticks since boot. Together with the pid it names one
/// process for ever.
pub fn startTime(pid: linux.pid_t) ?u64 {
    var name: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&name, "/proc/{d}/stat", .{pid}) catch unreachable;
    const rc = linux.open(path, .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    defer _ = linux.close(@intCast(rc));
    var buffer: [1024]u8 = undefined;
    const n = linux.read(@intCast(rc), &buffer, buffer.len);
    if (linux.errno(n) != .SUCCESS) return null;
    return parseStartTime(buffer[0..n]);
}

/// The command (field 2) may hold spaces and parentheses: fields are counted from the last ")".
fn parseStartTime(stat: []const u8) ?u64 {
    const end = std.mem.lastIndexOfScalar(u8, stat, ')') orelse return null;
    var fields = std.mem.tokenizeScalar(u8, stat[end + 1 ..], ' ');
    for (3..22) |_| _ = fields.next() orelse return null;
    return std.fmt.parseInt(u64, fields.next() orelse return null, 10) catch null;
}

test "parseStartTime() is not fooled by the command's name" {
    const stat = "7 (a) b) (c) S 1 7 7 0 -1 4194560 95 0 0 0 0 0 0 0 20 0 1 0 4711 2 3\n";
    try std.testing.expectEqual(@as(?u64, 4711), parseStartTime(stat));
    try std.testing.expectEqual(@as(?u64, null), parseStartTime("7 (a"));
}
