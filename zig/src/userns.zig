//! User namespaces: which ids are mapped, writing those maps for a child, running something inside.
//! It does not decide the maps (TypeScript does, from /etc/subuid) and knows nothing of containers.
//!
//! More than the caller's own id needs newuidmap(1) and newgidmap(1), which run side by side; without them the maps are written directly (user_namespaces(7)).
const std = @import("std");
const sys = @import("sys.zig");
const linux = sys.linux;

/// One line of a map, spelled as in config.json: `size` ids from `containerID` are `hostID`.. outside.
pub const Mapping = struct { containerID: u32, hostID: u32, size: u32 };

/// The programs that may map subordinate ids, by absolute path.
pub const Tools = struct { newuidmap: [:0]const u8, newgidmap: [:0]const u8 };

/// Without `tools` the maps are written directly: the single-id fallback, or the caller is privileged.
pub const Maps = struct { uid: []const Mapping, gid: []const Mapping, tools: ?Tools = null };

/// The kernel takes no more lines than this (UID_GID_MAP_MAX_EXTENTS).
pub const mappings_max = 340;

pub const ParseError = error{ InvalidMapping, OutOfMemory };

/// Map options of a command line and what is left of it.
pub const Options = struct { maps: Maps, rest: []const [*:0]const u8 };

/// Parse leading `--uid-map C:H:N --gid-map C:H:N --newuidmap PATH --newgidmap PATH` (maps repeated).
/// Stops at the first word that is none of them. All slices live in `arena` or in `args`.
pub fn parseOptions(arena: std.mem.Allocator, args: []const [*:0]const u8) ParseError!Options {
    var uid: std.ArrayList(Mapping) = .empty;
    var gid: std.ArrayList(Mapping) = .empty;
    var newuidmap: ?[:0]const u8 = null;
    var newgidmap: ?[:0]const u8 = null;
    var i: usize = 0;
    while (i + 1 < args.len) : (i += 2) {
        const option = std.mem.span(args[i]);
        const value = std.mem.span(args[i + 1]);
        if (std.mem.eql(u8, option, "--uid-map")) {
            try uid.append(arena, try parseMapping(value));
        } else if (std.mem.eql(u8, option, "--gid-map")) {
            try gid.append(arena, try parseMapping(value));
        } else if (std.mem.eql(u8, option, "--newuidmap")) {
            newuidmap = value;
        } else if (std.mem.eql(u8, option, "--newgidmap")) {
            newgidmap = value;
        } else break;
    }
    if (uid.items.len > mappings_max or gid.items.len > mappings_max) return error.InvalidMapping;
    if ((newuidmap == null) != (newgidmap == null)) return error.InvalidMapping;
    const tools: ?Tools = if (newuidmap) |u| .{ .newuidmap = u, .newgidmap = newgidmap.? } else null;
    return .{
        .maps = .{ .uid = uid.items, .gid = gid.items, .tools = tools },
        .rest = args[i..],
    };
}

/// `CONTAINER:HOST:SIZE`, three decimal numbers of 32 bits, SIZE at least 1, no range past the last id.
pub fn parseMapping(text: []const u8) error{InvalidMapping}!Mapping {
    var parts = std.mem.splitScalar(u8, text, ':');
    var numbers: [3]u32 = undefined;
    for (&numbers) |*number| number.* = try parseId(parts.next() orelse return error.InvalidMapping);
    if (parts.next() != null) return error.InvalidMapping;
    const mapping: Mapping = .{ .containerID = numbers[0], .hostID = numbers[1], .size = numbers[2] };
    if (!isValid(mapping)) return error.InvalidMapping;
    return mapping;
}

fn parseId(text: []const u8) error{InvalidMapping}!u32 {
    if (text.len == 0 or text.len > 10) return error.InvalidMapping;
    for (text) |byte| if (!std.ascii.isDigit(byte)) return error.InvalidMapping;
    return std.fmt.parseInt(u32, text, 10) catch error.InvalidMapping;
}

/// A range of at least one id that ends before 2^32 - 1, the id that means "none".
pub fn isValid(mapping: Mapping) bool {
    const none: u64 = std.math.maxInt(u32);
    return mapping.size > 0 and @as(u64, mapping.containerID) + mapping.size <= none and
        @as(u64, mapping.hostID) + mapping.size <= none;
}

/// Whether `id` exists inside the map.
pub fn isMapped(mappings: []const Mapping, id: u32) bool {
    for (mappings) |m| if (id >= m.containerID and id - m.containerID < m.size) return true;
    return false;
}

/// Whether that group exists in the user namespace we are in. What cannot be told is believed to be there.
pub fn hasGroup(id: u32) bool {
    var buffer: [4096]u8 = undefined; // a page: user_namespaces(7)
    const rc = linux.open("/proc/self/gid_map", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return true;
    defer _ = linux.close(@intCast(rc));
    const n = linux.read(@intCast(rc), &buffer, buffer.len);
    if (linux.errno(n) != .SUCCESS) return true;
    return isListed(buffer[0..n], id) catch true;
}

/// In lines of "INSIDE OUTSIDE COUNT".
fn isListed(map: []const u8, id: u32) error{InvalidMapping}!bool {
    var lines = std.mem.tokenizeScalar(u8, map, '\n');
    while (lines.next()) |line| {
        var words = std.mem.tokenizeScalar(u8, line, ' ');
        const first = try parseId(words.next() orelse "");
        _ = words.next();
        const count = try parseId(words.next() orelse "");
        if (id >= first and id - first < count) return true;
    }
    return false;
}

test "isListed() follows the map" {
    const map = "         0       1000          1\n         4     100000          2\n";
    for ([_]bool{ true, false, false, false, true, true, false }, 0..) |is_there, id| {
        try std.testing.expectEqual(is_there, try isListed(map, @intCast(id)));
    }
    try std.testing.expectError(error.InvalidMapping, isListed("x", 1));
}

/// What config.json says may be nonsense: then a sentence says which.
pub fn expectMaps(call: []const u8, uid: []const Mapping, gid: []const Mapping) sys.Error!void {
    for ([_][]const Mapping{ uid, gid }) |mappings| {
        if (mappings.len == 0) return sys.fail(call, "there must be both uidMappings and gidMappings");
        if (mappings.len > mappings_max) return sys.failFormat(call, "more than {d} id mappings", .{mappings_max});
        for (mappings) |mapping| if (!isValid(mapping)) {
            return sys.failFormat(call, "id mapping {d}:{d}:{d} is no range", .{
                mapping.containerID, mapping.hostID, mapping.size,
            });
        };
    }
}

/// Everything that writing the maps of a child needs, made before the child exists: writing allocates nothing.
pub const Plan = struct {
    maps: Maps,
    uid_text: []const u8 = "",
    gid_text: []const u8 = "",
    uid_argv: [:null]?[*:0]const u8 = &nothing,
    gid_argv: [:null]?[*:0]const u8 = &nothing,

    const pid_slot = 1; // newuidmap PID CONTAINER HOST SIZE...
    var nothing: [0:null]?[*:0]const u8 = .{};

    pub fn prepare(arena: std.mem.Allocator, maps: Maps) error{OutOfMemory}!Plan {
        const tools = maps.tools orelse return .{
            .maps = maps,
            .uid_text = try mapText(arena, maps.uid),
            .gid_text = try mapText(arena, maps.gid),
        };
        return .{
            .maps = maps,
            .uid_argv = try mapArguments(arena, tools.newuidmap, maps.uid),
            .gid_argv = try mapArguments(arena, tools.newgidmap, maps.gid),
        };
    }

    /// Write both maps of `pid`, a child in a new user namespace that waits for it.
    pub fn write(plan: *const Plan, pid: linux.pid_t) sys.Error!void {
        const writing = try plan.begin(pid) orelse return;
        try writing.finish();
    }

    /// Start writing; null: it is done already. The programs take about a millisecond, in which others can work.
    pub fn begin(plan: *const Plan, pid: linux.pid_t) sys.Error!?Writing {
        const tools = plan.maps.tools orelse {
            try plan.writeDirectly(pid);
            return null;
        };
        const static = struct {
            var text: [16]u8 = undefined;
            var starting: [2]Starting = @splat(.{});
        };
        const number = std.fmt.bufPrintZ(&static.text, "{d}", .{pid}) catch unreachable;
        plan.uid_argv[pid_slot] = number.ptr;
        plan.gid_argv[pid_slot] = number.ptr;
        const uid_pid = try static.starting[0].run(tools.newuidmap, plan.uid_argv);
        const gid_pid = static.starting[1].run(tools.newgidmap, plan.gid_argv) catch |err| {
            _ = sys.waitExit(uid_pid) catch {};
            return err;
        };
        return .{ .uid_pid = uid_pid, .gid_pid = gid_pid };
    }

    /// An unprivileged caller may map its own gid only once it has given up setgroups(2) (Linux 3.19).
    fn writeDirectly(plan: *const Plan, pid: linux.pid_t) sys.Error!void {
        if (linux.geteuid() != 0) try writeProc(pid, "setgroups", "deny");
        try writeProc(pid, "uid_map", plan.uid_text);
        try writeProc(pid, "gid_map", plan.gid_text);
    }
};

fn mapText(arena: std.mem.Allocator, mappings: []const Mapping) error{OutOfMemory}![]const u8 {
    var text: std.ArrayList(u8) = .empty;
    for (mappings) |m| {
        try text.print(arena, "{d} {d} {d}\n", .{ m.containerID, m.hostID, m.size });
    }
    return text.items;
}

fn mapArguments(
    arena: std.mem.Allocator,
    program: [:0]const u8,
    mappings: []const Mapping,
) error{OutOfMemory}![:null]?[*:0]const u8 {
    const argv = try arena.allocSentinel(?[*:0]const u8, 2 + mappings.len * 3, null);
    argv[0] = program.ptr;
    for (mappings, 0..) |m, i| {
        for ([3]u32{ m.containerID, m.hostID, m.size }, 0..) |number, j| {
            argv[2 + i * 3 + j] = (try std.fmt.allocPrintSentinel(arena, "{d}", .{number}, 0)).ptr;
        }
    }
    return argv;
}

fn writeProc(pid: linux.pid_t, comptime name: []const u8, text: []const u8) sys.Error!void {
    var buffer: [48]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/{d}/" ++ name, .{pid}) catch unreachable;
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CLOEXEC = true };
    const fd = try sys.checkFd("open", "/proc/PID/" ++ name, linux.open(path, flags, 0));
    defer _ = linux.close(fd);
    _ = try sys.check("write", "/proc/PID/" ++ name, linux.write(fd, text.ptr, text.len));
}

/// 127 is our own child that could not execute the program.
fn judge(comptime tool: []const u8, comptime file: []const u8, status: u32) sys.Error!void {
    if (status == 0) return;
    if (status == 127) return sys.fail(tool, "the program cannot be executed");
    return sys.fail(tool, "refused the id ranges that " ++ file ++ " lists");
}

/// newuidmap and newgidmap at work.
pub const Writing = struct {
    uid_pid: linux.pid_t,
    gid_pid: linux.pid_t,

    pub fn finish(writing: Writing) sys.Error!void {
        const uid_status = try sys.waitExit(writing.uid_pid);
        const gid_status = try sys.waitExit(writing.gid_pid);
        try judge("newuidmap", "/etc/subuid", uid_status);
        try judge("newgidmap", "/etc/subgid", gid_status);
    }
};

/// A program that is started without copying our memory, and without waiting until it has memory of its own as
/// vfork(2) would: until then it borrows ours. So it has a stack for itself, and what it needs is never touched again.
/// Its standard streams are /dev/null; its environment is empty.
const Starting = struct {
    program: [*:0]const u8 = "",
    argv: [*:null]const ?[*:0]const u8 = &.{},
    stack: [4096]u8 align(16) = undefined,

    fn run(starting: *Starting, program: [:0]const u8, argv: [:null]const ?[*:0]const u8) sys.Error!linux.pid_t {
        starting.program = program.ptr;
        starting.argv = argv.ptr;
        const flags: u32 = linux.CLONE.VM | @intFromEnum(linux.SIG.CHLD);
        const top = @intFromPtr(&starting.stack) + starting.stack.len;
        const rc = linux.clone(execute, top, flags, @intFromPtr(starting), null, 0, null);
        return @intCast(try sys.check("clone", program, rc));
    }

    fn execute(argument: usize) callconv(.c) u8 {
        const starting: *const Starting = @ptrFromInt(argument);
        const null_fd = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
        if (linux.errno(null_fd) == .SUCCESS) {
            for (0..3) |fd| _ = linux.dup3(@intCast(null_fd), @intCast(fd), 0);
        }
        const envp = [_:null]?[*:0]const u8{};
        _ = linux.execve(starting.program, starting.argv, &envp);
        return 127;
    }
};

/// Become root of the user namespace we are in: the maps need not make the caller that.
pub fn becomeRoot(maps: Maps) sys.Error!void {
    if (isMapped(maps.gid, 0)) _ = try sys.check("setresgid", "0", linux.setresgid(0, 0, 0));
    if (isMapped(maps.uid, 0)) _ = try sys.check("setresuid", "0", linux.setresuid(0, 0, 0));
}

/// Run `work(context)` in a child that is root of a new user namespace with this map, and wait for it.
/// `extra_flags`: further CLONE_NEW* of that child. Returns its exit status (128 + n when a signal ended it).
/// The child shares our standard streams; it dies with us.
pub fn runInside(
    plan: *const Plan,
    extra_flags: u64,
    context: anytype,
    comptime work: fn (@TypeOf(context)) u8,
) sys.Error!u32 {
    return runPrepared(plan, extra_flags, context, struct {
        fn nothing(_: @TypeOf(context)) ?u8 {
            return null;
        }
    }.nothing, work);
}

/// The same, with `before(context)` in the child while it may still go where the caller may: what that returns is its
/// exit status, null to go on.
pub fn runPrepared(
    plan: *const Plan,
    extra_flags: u64,
    context: anytype,
    comptime before: fn (@TypeOf(context)) ?u8,
    comptime work: fn (@TypeOf(context)) u8,
) sys.Error!u32 {
    var barrier: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe2", "", linux.pipe2(&barrier, .{ .CLOEXEC = true }));
    const args: sys.CloneArgs = .{ .flags = linux.CLONE.NEWUSER | extra_flags };
    const rc = sys.check("clone3", "a new user namespace", sys.clone3(&args)) catch |err| {
        for (barrier) |fd| _ = linux.close(fd);
        return err;
    };
    if (rc == 0) {
        _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
        _ = linux.close(barrier[1]);
        const early = before(context);
        var byte: [1]u8 = undefined;
        // The parent died or could not write the maps: it tells what happened, not we.
        if (linux.read(barrier[0], &byte, 1) != 1) linux.exit_group(125);
        if (early) |status| linux.exit_group(status);
        _ = linux.close(barrier[0]);
        becomeRoot(plan.maps) catch linux.exit_group(125);
        linux.exit_group(work(context));
    }
    const pid: linux.pid_t = @intCast(rc);
    _ = linux.close(barrier[0]);
    const written = plan.write(pid);
    if (written) |_| sys.writeAll(barrier[1], "g") catch {} else |_| {}
    _ = linux.close(barrier[1]);
    const status = try sys.waitExit(pid);
    try written;
    return status;
}

/// A user namespace with this map and nobody in it, by descriptor.
pub fn make(plan: *const Plan) sys.Error!linux.fd_t {
    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{
        .flags = linux.CLONE.NEWUSER | linux.CLONE.PIDFD,
        .pidfd = @intFromPtr(&pidfd),
    };
    const rc = try sys.check("clone3", "a new user namespace", sys.clone3(&args));
    if (rc == 0) while (true) {
        _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
        _ = linux.pause();
    };
    defer {
        _ = linux.pidfd_send_signal(pidfd, .KILL, null, 0);
        _ = sys.waitExitFd(pidfd) catch {};
        _ = linux.close(pidfd);
    }
    const pid: linux.pid_t = @intCast(rc);
    try plan.write(pid);
    return open(pid);
}

/// The user namespace of a process.
pub fn open(pid: linux.pid_t) sys.Error!linux.fd_t {
    var name: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&name, "/proc/{d}/ns/user", .{pid}) catch unreachable;
    return sys.checkFd("open", "/proc/PID/ns/user", linux.open(path, .{ .CLOEXEC = true }, 0));
}

test "parseMapping() takes three numbers and nothing else" {
    const mapping = try parseMapping("1:100000:65536");
    try std.testing.expectEqual(Mapping{ .containerID = 1, .hostID = 100000, .size = 65536 }, mapping);
    for ([_][]const u8{
        "",               "1",              "1:2",            "1:2:3:4", "1:2:0",  "-1:2:3", "+1:2:3",
        "4294967295:0:1", "0:4294967295:1", "0:1:4294967295", " 0:1:1",  "0:1:1 ", "a:b:c",  "00000000000:1:1",
    }) |bad| try std.testing.expectError(error.InvalidMapping, parseMapping(bad));
}

test "fuzz: parseMapping() accepts only ranges the kernel could take" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [64]u8 = undefined;
            const text = buffer[0..smith.slice(&buffer)];
            const mapping = parseMapping(text) catch return;
            try std.testing.expect(isValid(mapping));
        }
    }.one, .{ .corpus = &.{ "0:1000:1", "1:100000:65536" } });
}

test "parseOptions() stops at the first other word" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const args = [_][*:0]const u8{ "--uid-map", "0:7:1", "--gid-map", "0:8:1", "--dir", "/x" };
    const options = try parseOptions(arena_state.allocator(), &args);
    try std.testing.expectEqual(@as(u32, 7), options.maps.uid[0].hostID);
    try std.testing.expectEqual(@as(u32, 8), options.maps.gid[0].hostID);
    try std.testing.expectEqual(@as(usize, 2), options.rest.len);
    try std.testing.expect(options.maps.tools == null);
}

test "runInside() is root in a new user namespace and hands back the status" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const plan = try Plan.prepare(arena_state.allocator(), .{
        .uid = &.{.{ .containerID = 0, .hostID = linux.geteuid(), .size = 1 }},
        .gid = &.{.{ .containerID = 0, .hostID = linux.getegid(), .size = 1 }},
    });
    const status = runInside(&plan, 0, @as(u8, 42), struct {
        fn work(answer: u8) u8 {
            return if (linux.getuid() == 0 and linux.getgid() == 0) answer else 1;
        }
    }.work) catch {
        if (sys.failure.?.errno == .PERM) return error.SkipZigTest; // user namespaces are forbidden here
        return error.TestUnexpectedResult;
    };
    try std.testing.expectEqual(@as(u32, 42), status);
}
