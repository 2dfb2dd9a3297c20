//! What the runtime reads: config.json (OCI runtime-spec 1.2), helper.json, exec.json, state.json.
//! Types and parsing only: nothing here is checked against the world, nothing is done.
//! TypeScript's side is src/helper/contract.ts; a changed meaning bumps `contract_version` in both.
const std = @import("std");
const sys = @import("sys.zig");
const userns = @import("userns.zig");
const json = @import("json/decode.zig");
const cgroup = @import("cgroup/cgroup.zig");
const restarts = @import("monitor/restart.zig");
const networks = @import("net/config.zig");
const linux = sys.linux;

pub const contract_version = 1;

/// config.json of an image with thousands of environment variables stays far below this.
pub const file_bytes_max = 4 * 1024 * 1024;

const Text = [:0]const u8;

// config.json -------------------------------------------------------------------------------------------------

const runtime_spec = @import("runtime_spec.zig");
pub const Map = runtime_spec.Map;
pub const Spec = runtime_spec.Spec;
pub const Process = runtime_spec.Process;
pub const Mount = runtime_spec.Mount;
pub const Hook = runtime_spec.Hook;
pub const Hooks = runtime_spec.Hooks;
pub const Linux = runtime_spec.Linux;
pub const NamespaceKind = runtime_spec.NamespaceKind;
pub const Namespace = runtime_spec.Namespace;
pub const TimeOffset = runtime_spec.TimeOffset;
pub const Device = runtime_spec.Device;
pub const Personality = runtime_spec.Personality;
pub const MemoryPolicy = runtime_spec.MemoryPolicy;
/// Decoded when it has to be: mostly the program that was made of it is there already (process/filter_cache.zig).
pub const Seccomp = runtime_spec.LazySeccomp;
pub const SeccompProfile = runtime_spec.Seccomp;
pub const Resources = runtime_spec.Resources;

// helper.json and exec.json -----------------------------------------------------------------------------------

pub const RootfsKind = enum { overlay, @"fuse-overlayfs", copy, directory };

/// The fields of every kind together; `kind` says which count.
pub const Rootfs = struct {
    kind: RootfsKind,
    lower: []const Text = &.{},
    upper: Text = "",
    work: Text = "",
    program: Text = "",
    /// Where files of the lower layers that only say where their content is have it, topmost first.
    data: []const Text = &.{},
    /// The lowest layer cannot be had as a whole: what is written is in memory (rootfs/memory.zig).
    inMemory: bool = false,
};

pub const Attach = struct {
    stdin: bool,
    detachKeys: []const u8 = &.{},
    sigProxy: bool,
    passthrough: bool = false,

    /// As the file has it: the keys are numbers there, and a []const u8 would be a string.
    pub const Wire = struct {
        stdin: bool = false,
        detachKeys: []const u16 = &.{},
        sigProxy: bool = false,
        passthrough: bool = false,
    };

    pub fn fromWire(arena: std.mem.Allocator, wire: Wire) error{ OutOfMemory, Invalid }!Attach {
        const keys = try arena.alloc(u8, wire.detachKeys.len);
        for (keys, wire.detachKeys) |*key, number| key.* = std.math.cast(u8, number) orelse return error.Invalid;
        return .{ .stdin = wire.stdin, .detachKeys = keys, .sigProxy = wire.sigProxy, .passthrough = wire.passthrough };
    }
};

pub const LogDriver = enum { @"k8s-file", @"json-file", journald, none, passthrough };

pub const Log = struct {
    driver: LogDriver,
    path: Text = "",
    /// Of one file; 0: no limit.
    maxBytes: u64 = 0,
    /// With the one that is written.
    maxFiles: u32 = 1,
    tag: Text = "",
};

/// A command that tells how the container is (monitor/health.zig): health-exec.json beside this, an `Exec`.
pub const Health = struct {
    intervalMs: u64 = 30_000,
    timeoutMs: u64 = 30_000,
    /// After a start: failures do not count yet.
    startPeriodMs: u64 = 0,
    /// In that time, how often; 0: as ever.
    startIntervalMs: u64 = 0,
    retries: u32 = 3,
    onFailure: enum { none, kill, restart, stop } = .none,
    /// Results that are kept, and bytes of output of each; 0: all.
    logCountMax: u32 = 5,
    logBytesMax: u32 = 500,
    startup: ?Startup = null,

    /// Whether what is found may have the container started again, whatever its policy.
    pub fn restarts(health: *const Health) bool {
        return health.onFailure == .restart or (if (health.startup) |startup| startup.retries > 0 else false);
    }
};

/// Another command, which is asked first: startup-exec.json, an `Exec`. Until it has succeeded, the check is not asked.
pub const Startup = struct {
    intervalMs: u64 = 30_000,
    timeoutMs: u64 = 30_000,
    /// Failures after which the container is started again; 0: never.
    retries: u32 = 0,
    /// So often; 0: once.
    successes: u32 = 0,
};

/// Another OCI runtime that makes the container in our stead (foreign/).
pub const Runtime = struct { path: Text, name: Text };

pub const Helper = struct {
    contract: u32,
    id: Text,
    name: Text = "",
    runtimeDir: Text,
    containerDir: Text,
    trashDir: Text,
    /// Where lists find how it is while it does not run: see monitor/at_rest.zig.
    atRestDir: ?Text = null,
    rootfs: Rootfs,
    idMapTools: ?userns.Tools = null,
    user: ?Text = null,
    groups: []const Text = &.{},
    keepGroups: bool = false,
    createCwd: bool = false,
    init: bool = false,
    runtime: ?Runtime = null,
    stdinOpen: bool = false,
    log: Log = .{ .driver = .none },
    attach: ?Attach = null,
    autoRemove: bool = false,
    /// With `autoRemove`, what the monitor becomes when all is over.
    afterEnd: ?struct { args: []const Text, env: []const Text = &.{} } = null,
    /// Destination of a mount -> what of its source or file system is mounted: relative to that.
    mountSubpaths: Map(Text) = .{},
    /// More of the program's variables, each ended by a NUL.
    environmentFile: ?Text = null,
    /// Where compiled seccomp filters are kept; made when missing.
    seccompCache: ?Text = null,
    cgroup: struct { manager: cgroup.Manager = .none, parent: ?Text = null, isSplit: bool = false } = .{},
    stopSignal: u8 = 15,
    stopTimeoutMs: u32 = 10_000,
    restart: restarts.Rule = .{},
    /// After that it is killed; 0: it may run for ever.
    lifetimeMs: u64 = 0,
    health: ?Health = null,
    /// Where what happens is written down.
    events: ?Text = null,
    imageName: Text = "",
    notify: enum { ignore, container, started, healthy } = .ignore,
    /// A network namespace of its own has this in it; null: only a loopback.
    network: ?networks.Network = null,
    /// Instead of it: those that other containers may be on.
    networks: ?[]const networks.Entry = null,
    networkTool: ?networks.Tool = null,
    /// A network that is joined by its path and belongs to another user namespace: the container goes there as well.
    joinsNetworkOwner: bool = false,
    /// The first process of the container whose namespaces it shares: config.json names them by its number.
    joined: ?struct { pid: i32, pidStart: u64 } = null,

    /// Whether it may be started again by its monitor.
    pub fn isRestarted(helper: *const Helper) bool {
        if (helper.restart.policy != .no) return true;
        return if (helper.health) |health| health.restarts() else false;
    }
};

pub const Exec = struct {
    contract: u32,
    runtimeDir: Text,
    containerDir: Text,
    process: Process,
    user: ?Text = null,
    groups: []const Text = &.{},
    keepGroups: bool = false,
    /// As in helper.json.
    environmentFile: ?Text = null,
    stdinOpen: bool = false,
    seccompCache: ?Text = null,
    attach: ?Attach = null,
    /// Where it is written down that it ran, and under which names.
    events: ?Text = null,
    id: Text = "",
    name: Text = "",
    imageName: Text = "",
};

/// state.json in the runtime directory.
pub const State = struct {
    contract: u32,
    id: []const u8,
    /// "running", or "restarting": then there is no process, and the fields about the last end are there.
    status: []const u8 = "running",
    pid: i32,
    pidStart: u64,
    monitorPid: i32,
    monitorStart: u64,
    startedAt: []const u8,
    /// The directory of its cgroup; "" when it has none.
    cgroup: Text = "",
    /// The process whose namespaces another runtime works in.
    keeper: ?struct { pid: i32, pidStart: u64 } = null,
    restartCount: ?u32 = null,
    health: ?[]const u8 = null,
    /// The kernel has killed something in it for want of memory.
    oomKilled: ?bool = null,
    exitCode: ?u32 = null,
    finishedAt: ?[]const u8 = null,
};

// reading -----------------------------------------------------------------------------------------------------

/// Read and parse `name` in `directory`. Everything lives in `arena`. On failure `sys.failure` says what is wrong
/// and where; unknown fields are ignored, a field given twice is refused.
pub fn load(comptime T: type, arena: std.mem.Allocator, directory: Text, name: Text) sys.Error!T {
    const path = std.fs.path.joinZ(arena, &.{ directory, name }) catch return sys.fail("read", "out of memory");
    const bytes = try readFile(arena, path);
    return parse(T, arena, path, bytes);
}

pub fn parse(comptime T: type, arena: std.mem.Allocator, path: []const u8, bytes: []const u8) sys.Error!T {
    return json.decode(T, arena, path, bytes);
}

/// The whole file, at most `file_bytes_max` bytes of it.
pub fn readFile(arena: std.mem.Allocator, path: Text) sys.Error![]u8 {
    const fd = try sys.checkFd("open", path, linux.open(path, .{ .CLOEXEC = true, .NONBLOCK = true }, 0));
    defer _ = linux.close(fd);
    return readAll(arena, fd, path);
}

/// The same from an open file, whose name is `path`.
pub fn readAll(arena: std.mem.Allocator, fd: linux.fd_t, path: []const u8) sys.Error![]u8 {
    var size: usize = 64 * 1024;
    var buffer = arena.alloc(u8, size) catch return sys.fail("read", "out of memory");
    var used: usize = 0;
    while (true) {
        const n = try sys.check("read", path, linux.read(fd, buffer.ptr + used, size - used));
        if (n == 0) return buffer[0..used];
        used += n;
        if (used < size) continue;
        if (size >= file_bytes_max) return sys.failFormat("read", "{s} is larger than {d} bytes", .{ path, size });
        size *= 4;
        buffer = arena.realloc(buffer, size) catch return sys.fail("read", "out of memory");
    }
}

/// The two files must speak our version: a newer TypeScript side beside an older helper is a broken installation.
pub fn expectVersion(found: u32) sys.Error!void {
    if (found == contract_version) return;
    return sys.failFormat("contract", "version {d} asked for, this helper speaks {d}", .{ found, contract_version });
}

test "Helper parses detach keys and the tagged rootfs" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const text =
        \\{"contract":1,"id":"x","name":"n","runtimeDir":"/r","containerDir":"/c","trashDir":"/t","future":{"a":[1]},
        \\ "rootfs":{"kind":"overlay","lower":["/a","/b"],"upper":"/u","work":"/w"},
        \\ "idMapTools":{"newuidmap":"/bin/newuidmap","newgidmap":"/bin/newgidmap"},"createCwd":true,"init":false,
        \\ "stdinOpen":false,"log":{"driver":"k8s-file","path":"/l"},"autoRemove":true,"stopSignal":15,
        \\ "stopTimeoutMs":10000,"attach":{"stdin":true,"detachKeys":[16,17],"sigProxy":true,"passthrough":false}}
    ;
    const helper = try parse(Helper, arena_state.allocator(), "helper.json", text);
    try std.testing.expectEqualSlices(u8, &.{ 16, 17 }, helper.attach.?.detachKeys);
    try std.testing.expectEqual(RootfsKind.overlay, helper.rootfs.kind);
    try std.testing.expectEqualStrings("/bin/newgidmap", helper.idMapTools.?.newgidmap);
}

test "parse() says where a file is wrong" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    try std.testing.expectError(error.Syscall, parse(State, arena_state.allocator(), "s.json", "{\n \"contract\":[]}"));
    try std.testing.expectEqualStrings("parse", sys.failure.?.call);
    try std.testing.expectStringStartsWith(sys.failure.?.detail, "s.json:2:");
}

test "fuzz: no config.json crashes the parser" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [4096]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            _ = parse(Spec, arena_state.allocator(), "f", buffer[0..smith.slice(&buffer)]) catch return;
        }
    }.one, .{ .corpus = &.{"{\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"root\":{\"path\":\"/x\"}}"} });
}
