//! What the runtime reads: config.json (OCI runtime-spec 1.2), helper.json, exec.json, state.json.
//! Types and parsing only: nothing here is checked against the world, nothing is done.
//! TypeScript's side is src/helper/contract.ts; a changed meaning bumps `contract_version` in both.
const std = @import("std");
const sys = @import("sys.zig");
const userns = @import("userns.zig");
const linux = sys.linux;

pub const contract_version = 1;

/// config.json of an image with thousands of environment variables stays far below this.
pub const file_bytes_max = 4 * 1024 * 1024;

const Text = [:0]const u8;

// config.json -------------------------------------------------------------------------------------------------

pub const Spec = struct {
    process: Process,
    root: struct { path: Text, readonly: bool = false },
    hostname: ?Text = null,
    domainname: ?Text = null,
    mounts: []const Mount = &.{},
    linux: Linux = .{},
};

pub const Process = struct {
    terminal: bool = false,
    consoleSize: ?struct { height: u16, width: u16 } = null,
    user: User = .{},
    args: []const Text,
    env: []const Text = &.{},
    cwd: Text = "/",
    capabilities: ?Capabilities = null,
    rlimits: []const Rlimit = &.{},
    noNewPrivileges: bool = false,
    oomScoreAdj: ?i32 = null,

    pub const User = struct {
        uid: u32 = 0,
        gid: u32 = 0,
        umask: ?u32 = null,
        additionalGids: []const u32 = &.{},
    };
    pub const Rlimit = struct { type: []const u8, soft: u64, hard: u64 };
    pub const Capabilities = struct {
        bounding: []const []const u8 = &.{},
        effective: []const []const u8 = &.{},
        inheritable: []const []const u8 = &.{},
        permitted: []const []const u8 = &.{},
        ambient: []const []const u8 = &.{},
    };
};

pub const Mount = struct {
    destination: Text,
    type: ?Text = null,
    source: ?Text = null,
    options: []const Text = &.{},
};

pub const NamespaceKind = enum { user, mount, pid, network, ipc, uts, cgroup, time };
pub const Namespace = struct { type: NamespaceKind, path: ?Text = null };

pub const Linux = struct {
    namespaces: []const Namespace = &.{},
    uidMappings: []const userns.Mapping = &.{},
    gidMappings: []const userns.Mapping = &.{},
    devices: []const Device = &.{},
    maskedPaths: []const Text = &.{},
    readonlyPaths: []const Text = &.{},
    sysctl: std.json.ArrayHashMap(Text) = .{},
    rootfsPropagation: ?[]const u8 = null,
    seccomp: ?Seccomp = null,
    resources: ?Resources = null,

    pub fn find(self: *const Linux, kind: NamespaceKind) ?Namespace {
        for (self.namespaces) |namespace| if (namespace.type == kind) return namespace;
        return null;
    }
};

pub const Device = struct { path: Text, type: []const u8, major: i64 = 0, minor: i64 = 0 };

/// Their types are the cgroup room's.
pub const Resources = @import("cgroup/resources.zig").Resources;

pub const Seccomp = struct {
    defaultAction: []const u8,
    defaultErrnoRet: ?u16 = null,
    architectures: []const []const u8 = &.{},
    flags: []const []const u8 = &.{},
    syscalls: []const Rule = &.{},

    pub const Rule = struct {
        names: []const []const u8,
        action: []const u8,
        errnoRet: ?u16 = null,
        args: []const Argument = &.{},
    };
    pub const Argument = struct { index: u8, value: u64, valueTwo: u64 = 0, op: []const u8 };
};

// helper.json and exec.json -----------------------------------------------------------------------------------

pub const RootfsKind = enum { overlay, @"fuse-overlayfs", copy, directory };

/// The fields of every kind together; `kind` says which count.
pub const Rootfs = struct {
    kind: RootfsKind,
    lower: []const Text = &.{},
    upper: Text = "",
    work: Text = "",
    program: Text = "",
};

pub const Attach = struct {
    stdin: bool,
    detachKeys: []const u8 = &.{},
    sigProxy: bool,
    passthrough: bool = false,

    pub fn jsonParse(arena: std.mem.Allocator, source: anytype, options: std.json.ParseOptions) !Attach {
        // std.json reads a []const u8 from an array of numbers only when it is not all of them: spelled out.
        const Wire = struct {
            stdin: bool = false,
            detachKeys: []const u16 = &.{},
            sigProxy: bool = false,
            passthrough: bool = false,
        };
        const wire = try std.json.innerParse(Wire, arena, source, options);
        const keys = try arena.alloc(u8, wire.detachKeys.len);
        for (keys, wire.detachKeys) |*key, number| key.* = std.math.cast(u8, number) orelse return error.Overflow;
        return .{ .stdin = wire.stdin, .detachKeys = keys, .sigProxy = wire.sigProxy, .passthrough = wire.passthrough };
    }
};

pub const Log = struct { driver: enum { @"k8s-file", none }, path: Text = "" };

pub const Helper = struct {
    contract: u32,
    id: Text,
    name: Text = "",
    runtimeDir: Text,
    containerDir: Text,
    trashDir: Text,
    rootfs: Rootfs,
    idMapTools: ?userns.Tools = null,
    user: ?Text = null,
    createCwd: bool = false,
    init: bool = false,
    stdinOpen: bool = false,
    log: Log = .{ .driver = .none },
    attach: ?Attach = null,
    autoRemove: bool = false,
    stopSignal: u8 = 15,
    stopTimeoutMs: u32 = 10_000,
};

pub const Exec = struct {
    contract: u32,
    runtimeDir: Text,
    containerDir: Text,
    process: Process,
    user: ?Text = null,
    stdinOpen: bool = false,
    attach: ?Attach = null,
};

/// state.json in the runtime directory.
pub const State = struct {
    contract: u32,
    id: []const u8,
    status: []const u8 = "running",
    pid: i32,
    pidStart: u64,
    monitorPid: i32,
    monitorStart: u64,
    startedAt: []const u8,
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
    var diagnostics: std.json.Diagnostics = .{};
    var scanner: std.json.Scanner = .initCompleteInput(arena, bytes);
    scanner.enableDiagnostics(&diagnostics);
    return std.json.parseFromTokenSourceLeaky(T, arena, &scanner, .{
        .ignore_unknown_fields = true,
        .duplicate_field_behavior = .@"error",
        .allocate = .alloc_if_needed,
    }) catch |err| {
        const line = diagnostics.getLine();
        const column = diagnostics.getColumn();
        return sys.failFormat("parse", "{s}:{d}:{d}: {t}", .{ path, line, column, err });
    };
}

/// The whole file, at most `file_bytes_max` bytes of it.
pub fn readFile(arena: std.mem.Allocator, path: Text) sys.Error![]u8 {
    const fd = try sys.checkFd("open", path, linux.open(path, .{ .CLOEXEC = true, .NONBLOCK = true }, 0));
    defer _ = linux.close(fd);
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
