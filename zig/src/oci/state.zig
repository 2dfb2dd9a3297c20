//! What is recorded of a container, and what it is doing now.
//!
//! state.json holds what does not change: which process it is (pid, start time and boot, which together name one
//! process for ever), where it came from, and its config.json as it was read. What changes is not recorded but asked
//! of the kernel: a process that has ended is "stopped"; one whose start.sock is still there to be connected to waits
//! for `start` and is "created"; one in a frozen cgroup is "paused". So no crash can leave a record that is wrong.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const clock = @import("../monitor/clock.zig");
const record = @import("../monitor/record.zig");
const contexts = @import("context.zig");
const store = @import("store.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

pub const Status = enum { creating, created, running, paused, stopped };

/// The file without the configuration, which follows as a last field.
const Head = struct {
    contract: u32,
    id: []const u8,
    pid: i32,
    pidStart: u64,
    bootId: []const u8,
    bundle: []const u8,
    created: []const u8,
    cgroup: []const u8,
};

/// `config` is as much of config.json as the reader wants.
pub fn Record(comptime Config: type) type {
    return struct {
        contract: u32,
        id: Text,
        pid: i32,
        pidStart: u64,
        bootId: []const u8,
        bundle: Text,
        created: []const u8,
        cgroup: Text = "",
        config: Config,
    };
}

/// The group of a container that was recorded; `.{}` when it has none.
pub fn groupOf(found: anytype) sys.Error!cgroups.Cgroup {
    return if (found.cgroup.len == 0) .{} else cgroups.open(found.cgroup);
}

pub const New = struct { id: []const u8, pid: linux.pid_t, bundle: []const u8, cgroup: []const u8, config: []const u8 };

/// Into creating.json. `config` is the text of config.json, which has been parsed: it goes in as it is.
pub fn write(arena: std.mem.Allocator, entry: *const store.Entry, new: New) sys.Error!void {
    var boot: BootId = undefined;
    var head: std.Io.Writer.Allocating = .init(arena);
    const created = clock.now();
    std.json.Stringify.value(Head{
        .contract = contract.contract_version,
        .id = new.id,
        .pid = new.pid,
        .pidStart = record.startTime(new.pid) orelse 0,
        .bootId = readBootId(&boot),
        .bundle = new.bundle,
        .created = &created,
        .cgroup = new.cgroup,
    }, .{}, &head.writer) catch return contexts.outOfMemory();
    const open_object = head.written()[0 .. head.written().len - 1]; // its "}" comes after the configuration
    const parts = [_][]const u8{ open_object, ",\"config\":", new.config, "}\n" };
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true, .NOFOLLOW = true };
    const name = store.creating_name;
    const fd = try sys.checkFd("open", name, linux.openat(entry.directory, name, flags, 0o600));
    defer _ = linux.close(fd);
    try writeParts(fd, &parts);
}

fn writeParts(fd: linux.fd_t, parts: []const []const u8) sys.Error!void {
    var vectors: [4]std.posix.iovec_const = undefined;
    var total: usize = 0;
    for (parts, vectors[0..parts.len]) |part, *vector| {
        vector.* = .{ .base = part.ptr, .len = part.len };
        total += part.len;
    }
    const written = try sys.check("write", store.creating_name, linux.writev(fd, &vectors, parts.len));
    // A file takes less only when there is no room for more, or a limit of its size.
    if (written != total) return sys.fail("write", "no space left on device: the container cannot be recorded");
}

/// A container that was found, with its directory open.
pub fn Container(comptime Config: type) type {
    return struct {
        entry: store.Entry,
        record: Record(Config),
        is_creating: bool,
        /// Its first process, when that has not ended.
        pidfd: ?linux.fd_t,

        const Self = @This();

        pub fn status(self: *const Self) Status {
            if (self.pidfd == null) return .stopped;
            if (self.is_creating) return .creating;
            const group: cgroups.Cgroup = .{ .path = self.record.cgroup };
            if (group.isFrozen()) return .paused;
            return if (isWaiting(&self.entry)) .created else .running;
        }

        pub fn close(self: *const Self) void {
            if (self.pidfd) |fd| _ = linux.close(fd);
            self.entry.close();
        }
    };
}

/// Find the container `id`. One that is being made is found once its process exists.
pub fn load(comptime Config: type, context: *const Context, id: Text) sys.Error!Container(Config) {
    const entry = try store.open(context.arena, context.root, id);
    errdefer entry.close();
    return read(Config, context.arena, entry);
}

/// The same, of an open directory.
pub fn read(comptime Config: type, arena: std.mem.Allocator, entry: store.Entry) sys.Error!Container(Config) {
    var is_creating = false;
    const bytes = for ([_]Text{ store.state_name, store.creating_name, store.state_name }) |name| {
        is_creating = name.ptr == store.creating_name.ptr; // renamed between two looks: looked for once more
        break readFile(arena, &entry, name) catch |err| {
            if (sys.failure.?.errno != .NOENT) return err;
            continue;
        };
    } else return store.missing(std.fs.path.basename(entry.path));
    const found = try contract.parse(Record(Config), arena, entry.path, bytes);
    try contract.expectVersion(found.contract);
    return .{
        .entry = entry,
        .record = found,
        .is_creating = is_creating,
        .pidfd = openProcess(found.pid, found.pidStart, found.bootId),
    };
}

fn readFile(arena: std.mem.Allocator, entry: *const store.Entry, name: Text) sys.Error![]u8 {
    const flags: linux.O = .{ .CLOEXEC = true, .NONBLOCK = true, .NOFOLLOW = true };
    const fd = try sys.checkFd("open", entry.path, linux.openat(entry.directory, name, flags, 0));
    defer _ = linux.close(fd);
    return contract.readAll(arena, fd, entry.path);
}

/// The process that was recorded, held by a descriptor; null when it has ended, whoever has its pid now.
fn openProcess(pid: linux.pid_t, start: u64, boot_id: []const u8) ?linux.fd_t {
    if (pid <= 0) return null;
    const rc = linux.pidfd_open(pid, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    var boot: BootId = undefined;
    if (record.startTime(pid) == start and std.mem.eql(u8, readBootId(&boot), boot_id) and !hasEnded(fd)) return fd;
    _ = linux.close(fd);
    return null;
}

/// Also when nobody has waited for it yet.
pub fn hasEnded(pidfd: linux.fd_t) bool {
    var fds = [1]linux.pollfd{.{ .fd = pidfd, .events = linux.POLL.IN, .revents = 0 }};
    return linux.poll(&fds, 1, 0) == 1;
}

/// Connecting to a socket of another type fails in a way that tells whether somebody listens, and disturbs nobody
/// (unix(7): EPROTOTYPE; ECONNREFUSED when it is only a name).
fn isWaiting(entry: *const store.Entry) bool {
    const rc = linux.socket(linux.AF.UNIX, linux.SOCK.DGRAM | linux.SOCK.CLOEXEC, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    const where = record.address(entry.directory, store.socket_name);
    return linux.errno(linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un))) == .PROTOTYPE;
}

const BootId = [36]u8;

/// "" where it cannot be read, now as then.
fn readBootId(buffer: *BootId) []const u8 {
    const rc = linux.open("/proc/sys/kernel/random/boot_id", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return "";
    defer _ = linux.close(@intCast(rc));
    const n = linux.read(@intCast(rc), buffer, buffer.len);
    return if (linux.errno(n) == .SUCCESS) buffer[0..n] else "";
}

const Nothing = struct {};

test "what is written is read: a process is known by its start, not by its pid" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    const entry: store.Entry = .{ .path = "/x/c", .directory = tmp.dir.handle };
    const config = "{\"ociVersion\":\"1.2.0\",\"annotations\":{\"a\":\"\\u0000\"}}";
    try write(arena, &entry, .{ .id = "c", .pid = linux.getpid(), .bundle = "/b \"x\"", .cgroup = "", .config = config });
    const Config = struct { ociVersion: []const u8 };
    const creating = try read(Config, arena, entry);
    try std.testing.expectEqual(Status.creating, creating.status());
    try entry.publish();
    const running = try read(Config, arena, entry);
    try std.testing.expectEqual(Status.running, running.status());
    try std.testing.expectEqualStrings("/b \"x\"", running.record.bundle);
    try std.testing.expectEqualStrings("1.2.0", running.record.config.ociVersion);
    _ = linux.close(running.pidfd.?);
    _ = linux.close(creating.pidfd.?);
    try std.testing.expect(openProcess(linux.getpid(), running.record.pidStart + 1, running.record.bootId) == null);
    try std.testing.expect(openProcess(linux.getpid(), running.record.pidStart, "another boot") == null);
}

test "fuzz: no state.json crashes the parser" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [1024]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            _ = contract.parse(Record(Nothing), arena_state.allocator(), "f", buffer[0..smith.slice(&buffer)]) catch return;
        }
    }.one, .{ .corpus = &.{"{\"contract\":1,\"id\":\"c\",\"pid\":1,\"pidStart\":2,\"bootId\":\"\",\"bundle\":\"/\",\"created\":\"\",\"config\":{}}"} });
}
