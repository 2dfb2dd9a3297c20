//! The seccomp agent (config.json's linux.seccomp.listenerPath): gets the descriptor of a filter that notifies, with what
//! the specification calls the container process state, over a connection that is used once.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const report = @import("report.zig");
const linux = sys.linux;

pub const specification = "1.2.0";

/// What is told of the container.
pub const Told = struct {
    id: []const u8 = "",
    bundle: []const u8 = "",
    annotations: contract.Map([:0]const u8) = .{},
};

const State = struct {
    ociVersion: []const u8 = specification,
    fds: []const []const u8 = &.{"seccompFd"},
    pid: linux.pid_t,
    metadata: ?[]const u8,
    state: struct {
        ociVersion: []const u8 = specification,
        id: []const u8,
        status: []const u8,
        pid: linux.pid_t,
        bundle: []const u8,
        annotations: contract.Map([:0]const u8),
    },
};

pub const Process = struct {
    pid: linux.pid_t,
    /// The container's first process.
    first: linux.pid_t,
    status: []const u8,
};

/// How long an agent may take to accept what it is sent.
const patience_seconds = 10;

/// Hand `listener` over. The profile notifies, so it says to whom.
pub fn give(profile: *const contract.Seccomp, told: *const Told, process: Process, listener: linux.fd_t) sys.Error!void {
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const decoded = try profile.decode(arena);
    const path = decoded.listenerPath orelse return sys.fail("seccomp", "SCMP_ACT_NOTIFY needs a listenerPath");
    const state: State = .{
        .pid = process.pid,
        .metadata = decoded.listenerMetadata,
        .state = .{
            .id = told.id,
            .status = process.status,
            .pid = process.first,
            .bundle = told.bundle,
            .annotations = told.annotations,
        },
    };
    const options: std.json.Stringify.Options = .{ .emit_null_optional_fields = false };
    const text = std.json.Stringify.valueAlloc(arena, state, options) catch return sys.fail("seccomp", "out of memory");
    const socket = try connect(path);
    defer _ = linux.close(socket);
    send(socket, text, listener) catch return explain(path);
}

/// Refuse early what cannot be listened at: a container is created, or not, before it asks anything.
pub fn expect(profile: *const contract.Seccomp) sys.Error!void {
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const decoded = try profile.decode(arena_state.allocator());
    const path = decoded.listenerPath orelse return sys.fail("seccomp", "SCMP_ACT_NOTIFY needs a listenerPath");
    var stat: linux.Statx = undefined;
    const rc = linux.statx(linux.AT.FDCWD, path, 0, .{ .TYPE = true }, &stat);
    if (linux.errno(rc) != .SUCCESS) {
        _ = sys.check("seccomp", path, rc) catch {};
        return explain(path);
    }
    if (!linux.S.ISSOCK(stat.mode)) return sys.failFormat("seccomp", "listenerPath {s} is no socket", .{path});
}

fn connect(path: [:0]const u8) sys.Error!linux.fd_t {
    const kind = linux.SOCK.STREAM | linux.SOCK.CLOEXEC;
    const fd = try sys.checkFd("socket", path, linux.socket(linux.AF.UNIX, kind, 0));
    errdefer _ = linux.close(fd);
    var address: linux.sockaddr.un = .{ .path = @splat(0) };
    if (path.len >= address.path.len) return sys.failFormat("seccomp", "listenerPath {s} is too long for a socket", .{path});
    @memcpy(address.path[0..path.len], path);
    const rc = linux.connect(fd, @ptrCast(&address), @sizeOf(linux.sockaddr.un));
    if (linux.errno(rc) != .SUCCESS) {
        _ = sys.check("seccomp", path, rc) catch {};
        return explain(path);
    }
    const patience: linux.timeval = .{ .sec = patience_seconds, .usec = 0 };
    _ = linux.setsockopt(fd, linux.SOL.SOCKET, linux.SO.SNDTIMEO, @ptrCast(&patience), @sizeOf(linux.timeval));
    return fd;
}

fn explain(path: []const u8) sys.Error {
    var buffer: [32]u8 = undefined;
    const errno = sys.errnoName(sys.failure.?.errno, &buffer);
    return sys.failFormat("seccomp", "nobody takes notifications at listenerPath {s} ({s}): start the agent first", .{ path, errno });
}

fn send(socket: linux.fd_t, text: []const u8, listener: linux.fd_t) sys.Error!void {
    const sent = try report.sendWith(socket, text, listener);
    try sys.writeAll(socket, text[sent..]);
}
