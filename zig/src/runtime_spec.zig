//! config.json as the OCI runtime specification 1.2 spells it for Linux, with what 1.3 added: types only.
//! Fields of other platforms (Windows, Solaris, z/OS, FreeBSD, virtual machines) are left out and so ignored, as are
//! unknown ones. What is known but cannot be honoured has a field here, so that somebody can refuse it.
const std = @import("std");
const json = @import("json/decode.zig");
const userns = @import("userns.zig");

/// Their types are the cgroup room's.
pub const Resources = @import("cgroup/resources.zig").Resources;

const Text = [:0]const u8;

/// A JSON object whose names are the user's own.
pub fn Map(comptime T: type) type {
    return std.json.ArrayHashMap(T);
}

/// An object that only matters by being there.
const Present = struct {};

pub const Spec = struct {
    ociVersion: Text = "",
    process: Process,
    root: Root,
    hostname: ?Text = null,
    domainname: ?Text = null,
    mounts: []const Mount = &.{},
    hooks: Hooks = .{},
    annotations: Map(Text) = .{},
    linux: Linux = .{},
};

pub const Root = struct { path: Text, readonly: bool = false };

// config.md "Process" -----------------------------------------------------------------------------------------

pub const Process = struct {
    terminal: bool = false,
    consoleSize: ?struct { height: u16, width: u16 } = null,
    user: User = .{},
    args: []const Text = &.{},
    env: []const Text = &.{},
    cwd: Text,
    capabilities: ?Capabilities = null,
    rlimits: []const Rlimit = &.{},
    noNewPrivileges: bool = false,
    oomScoreAdj: ?i32 = null,
    apparmorProfile: ?Text = null,
    selinuxLabel: ?Text = null,
    scheduler: ?Scheduler = null,
    ioPriority: ?IoPriority = null,
    execCPUAffinity: ?CpuAffinity = null,

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
    /// sched_setattr(2); times in nanoseconds.
    pub const Scheduler = struct {
        policy: []const u8,
        nice: i32 = 0,
        priority: i32 = 0,
        flags: []const []const u8 = &.{},
        runtime: u64 = 0,
        deadline: u64 = 0,
        period: u64 = 0,
    };
    pub const IoPriority = struct { class: []const u8, priority: i64 = 0 };
    /// Lists of CPUs as in "0-3,7".
    pub const CpuAffinity = struct { initial: []const u8 = "", final: []const u8 = "" };
};

// config.md "Mounts", "POSIX-platform Hooks" ------------------------------------------------------------------

pub const Mount = struct {
    destination: Text,
    type: ?Text = null,
    source: ?Text = null,
    options: []const Text = &.{},
    uidMappings: []const userns.Mapping = &.{},
    gidMappings: []const userns.Mapping = &.{},
};

/// `timeout` in seconds.
pub const Hook = struct { path: Text, args: []const Text = &.{}, env: ?[]const Text = null, timeout: ?i64 = null };

pub const Hooks = struct {
    prestart: []const Hook = &.{},
    createRuntime: []const Hook = &.{},
    createContainer: []const Hook = &.{},
    startContainer: []const Hook = &.{},
    poststart: []const Hook = &.{},
    poststop: []const Hook = &.{},
};

// config-linux.md ---------------------------------------------------------------------------------------------

pub const NamespaceKind = enum { user, mount, pid, network, ipc, uts, cgroup, time };
pub const Namespace = struct { type: NamespaceKind, path: ?Text = null };

pub const Linux = struct {
    namespaces: []const Namespace = &.{},
    uidMappings: []const userns.Mapping = &.{},
    gidMappings: []const userns.Mapping = &.{},
    timeOffsets: Map(TimeOffset) = .{},
    devices: []const Device = &.{},
    cgroupsPath: ?Text = null,
    resources: ?Resources = null,
    rootfsPropagation: ?[]const u8 = null,
    maskedPaths: []const Text = &.{},
    readonlyPaths: []const Text = &.{},
    mountLabel: ?Text = null,
    sysctl: Map(Text) = .{},
    seccomp: ?LazySeccomp = null,
    personality: ?Personality = null,
    intelRdt: ?Present = null,
    netDevices: Map(Present) = .{},
    memoryPolicy: ?MemoryPolicy = null,

    pub fn find(self: *const Linux, kind: NamespaceKind) ?Namespace {
        for (self.namespaces) |namespace| if (namespace.type == kind) return namespace;
        return null;
    }
};

pub const TimeOffset = struct { secs: i64 = 0, nanosecs: u32 = 0 };

pub const Device = struct {
    path: Text,
    type: []const u8,
    major: i64 = 0,
    minor: i64 = 0,
    fileMode: ?u32 = null,
    uid: ?u32 = null,
    gid: ?u32 = null,
};

pub const Personality = struct { domain: []const u8, flags: []const []const u8 = &.{} };

/// set_mempolicy(2); `nodes` is a list as in "0-3,7". Since 1.3.
pub const MemoryPolicy = struct { mode: []const u8, nodes: []const u8 = "", flags: []const []const u8 = &.{} };

/// Decoded when somebody needs what is in it.
pub const LazySeccomp = json.Lazy(Seccomp);

pub const Seccomp = struct {
    defaultAction: []const u8,
    defaultErrnoRet: ?u32 = null,
    architectures: []const []const u8 = &.{},
    flags: []const []const u8 = &.{},
    listenerPath: ?Text = null,
    listenerMetadata: ?Text = null,
    syscalls: []const Rule = &.{},

    pub const Rule = struct {
        names: []const []const u8,
        action: []const u8,
        errnoRet: ?u32 = null,
        args: []const Argument = &.{},
    };
    pub const Argument = struct { index: u32, value: u64, valueTwo: u64 = 0, op: []const u8 };
};
