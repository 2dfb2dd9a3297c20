//! config.json and helper.json of a container become a plan: everything is parsed, checked and put in order here, so
//! that what follows only carries out. Changes nothing in the world.
const std = @import("std");
const sys = @import("sys.zig");
const contract = @import("contract.zig");
const userns = @import("userns.zig");
const rootfs = @import("rootfs/root.zig");
const child = @import("process/child.zig");
const programs = @import("process/program.zig");
const linux = sys.linux;

pub const Container = struct { helper: contract.Helper, plan: child.Plan };

pub fn load(arena: std.mem.Allocator, directory: [:0]const u8) sys.Error!Container {
    const helper = try contract.load(contract.Helper, arena, directory, "helper.json");
    try contract.expectVersion(helper.contract);
    const spec = arena.create(contract.Spec) catch return outOfMemory();
    spec.* = try contract.load(contract.Spec, arena, directory, "config.json");
    return .{ .helper = helper, .plan = try planOf(arena, spec, &helper) };
}

fn planOf(arena: std.mem.Allocator, spec: *const contract.Spec, helper: *const contract.Helper) sys.Error!child.Plan {
    const config = &spec.linux;
    if (config.resources) |resources| if (resources.asked()) |name| {
        return sys.failFormat("cgroup", "resources.{s}: limits are not supported yet", .{name});
    };
    if (config.find(.mount) == null) return sys.fail("namespaces", "a container without a mount namespace is not supported");
    const namespaces = try namespacesOf(arena, config);
    const has_userns = namespaces.new & linux.CLONE.NEWUSER != 0;
    var plan: child.Plan = .{
        .maps = if (has_userns) try mapsOf(arena, config, helper.idMapTools) else null,
        .new_namespaces = namespaces.new,
        .joined = namespaces.joined,
        .root = try rootfs.prepare(arena, spec, helper.rootfs),
        .program = try .prepare(arena, &spec.process, helper.user),
        .hostname = spec.hostname,
        .domainname = spec.domainname,
        .sysctls = try sysctlsOf(arena, config),
        .console_size = null,
        .init = helper.init,
        .own_path = if (helper.init) try ownPath(arena) else "",
    };
    if (spec.process.consoleSize) |size| plan.console_size = .{ .rows = size.height, .columns = size.width };
    plan.root.is_volatile = helper.autoRemove;
    plan.program.creates_cwd = helper.createCwd;
    if (config.seccomp) |*profile| plan.program.seccomp = profile;
    return plan;
}

/// Where the file we run from lies; "" when it was deleted or never had a name.
fn ownPath(arena: std.mem.Allocator) sys.Error![:0]const u8 {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const name = "/proc/self/exe";
    const length = try sys.check("readlink", name, linux.readlink(name, &buffer, buffer.len));
    return arena.dupeZ(u8, buffer[0..length]) catch return outOfMemory();
}

const Namespaces = struct { new: u64, joined: []const contract.Namespace };

fn namespacesOf(arena: std.mem.Allocator, config: *const contract.Linux) sys.Error!Namespaces {
    var new: u64 = 0;
    var joined: std.ArrayList(contract.Namespace) = .empty;
    for (config.namespaces, 0..) |namespace, i| {
        for (config.namespaces[0..i]) |before| if (before.type == namespace.type) {
            return sys.failFormat("namespaces", "{t} is named twice", .{namespace.type});
        };
        if (namespace.path) |_| {
            switch (namespace.type) {
                .user, .pid, .mount, .time => return sys.failFormat("setns", "joining a {t} namespace is not supported yet", .{namespace.type}),
                else => joined.append(arena, namespace) catch return outOfMemory(),
            }
        } else new |= try cloneFlag(namespace.type);
    }
    return .{ .new = new, .joined = joined.items };
}

fn cloneFlag(kind: contract.NamespaceKind) sys.Error!u64 {
    return switch (kind) {
        .user => linux.CLONE.NEWUSER,
        .mount => linux.CLONE.NEWNS,
        .pid => linux.CLONE.NEWPID,
        .network => linux.CLONE.NEWNET,
        .ipc => linux.CLONE.NEWIPC,
        .uts => linux.CLONE.NEWUTS,
        .cgroup => linux.CLONE.NEWCGROUP,
        .time => sys.fail("namespaces", "time namespaces are not supported yet"),
    };
}

fn mapsOf(arena: std.mem.Allocator, config: *const contract.Linux, tools: ?userns.Tools) sys.Error!userns.Plan {
    for ([_][]const userns.Mapping{ config.uidMappings, config.gidMappings }) |mappings| {
        if (mappings.len == 0) return sys.fail("namespaces", "a new user namespace needs uidMappings and gidMappings");
        if (mappings.len > userns.mappings_max) return sys.fail("namespaces", "too many id mappings");
        for (mappings) |mapping| if (!userns.isValid(mapping)) {
            return sys.failFormat("namespaces", "id mapping {d}:{d}:{d} is no range", .{
                mapping.containerID, mapping.hostID, mapping.size,
            });
        };
    }
    return userns.Plan.prepare(arena, .{
        .uid = config.uidMappings,
        .gid = config.gidMappings,
        .tools = tools,
    }) catch return outOfMemory();
}

/// "net.ipv4.ip_forward" is /proc/sys/net/ipv4/ip_forward. Only what belongs to a namespace of the container: anything
/// else would be the host's.
fn sysctlsOf(arena: std.mem.Allocator, config: *const contract.Linux) sys.Error![]const child.Sysctl {
    const map = &config.sysctl.map;
    const sysctls = arena.alloc(child.Sysctl, map.count()) catch return outOfMemory();
    for (map.keys(), map.values(), sysctls) |key, value, *sysctl| {
        if (!isNamespaced(config, key)) {
            return sys.failFormat("sysctl", "{s} does not belong to a namespace of this container", .{key});
        }
        const path = std.fmt.allocPrintSentinel(arena, "/proc/sys/{s}", .{key}, 0) catch return outOfMemory();
        std.mem.replaceScalar(u8, path["/proc/sys/".len..], '.', '/');
        sysctl.* = .{ .path = path, .value = value };
    }
    return sysctls;
}

fn isNamespaced(config: *const contract.Linux, key: []const u8) bool {
    if (std.mem.indexOfScalar(u8, key, '/') != null or std.mem.indexOf(u8, key, "..") != null) return false;
    if (std.mem.startsWith(u8, key, "net.")) return config.find(.network) != null;
    const of_ipc = [_][]const u8{
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni",          "kernel.sem",
        "kernel.shmall", "kernel.shmmax", "kernel.shm_rmid_forced", "kernel.shmmni",
    };
    for (of_ipc) |name| if (std.mem.eql(u8, key, name)) return config.find(.ipc) != null;
    return std.mem.startsWith(u8, key, "fs.mqueue.") and config.find(.ipc) != null;
}

fn outOfMemory() sys.Error {
    return sys.fail("prepare", "out of memory");
}

test "sysctls of the host are refused" {
    const config: contract.Linux = .{ .namespaces = &.{ .{ .type = .ipc }, .{ .type = .network } } };
    try std.testing.expect(isNamespaced(&config, "net.ipv4.ip_forward"));
    try std.testing.expect(isNamespaced(&config, "kernel.shmmax"));
    for ([_][]const u8{ "kernel.core_pattern", "vm.overcommit_memory", "net/../kernel", "net.../../kernel.x" }) |bad| {
        try std.testing.expect(!isNamespaced(&config, bad));
    }
    try std.testing.expect(!isNamespaced(&.{}, "net.ipv4.ip_forward"));
}
