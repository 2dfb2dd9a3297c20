//! Who writes the id maps of a container: we ourselves where the kernel lets us, else newuidmap(1) and newgidmap(1).
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const userns = @import("../userns.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

/// A new user namespace of which nothing is said: the caller is its root, and there is nobody else.
pub fn complete(context: *const Context, spec: *contract.Spec) sys.Error!void {
    const config = &spec.linux;
    const namespace = config.find(.user) orelse return;
    if (namespace.path != null or config.uidMappings.len + config.gidMappings.len > 0) return;
    config.uidMappings = try single(context, linux.geteuid());
    config.gidMappings = try single(context, linux.getegid());
}

fn single(context: *const Context, id: u32) sys.Error![]const userns.Mapping {
    return context.arena.dupe(userns.Mapping, &.{.{ .containerID = 0, .hostID = id, .size = 1 }}) catch contexts.outOfMemory();
}

/// Null: no program is needed. An ordinary user may map one id, their own (user_namespaces(7)).
pub fn toolsFor(context: *const Context, spec: *const contract.Spec) sys.Error!?userns.Tools {
    if (linux.geteuid() == 0) return null;
    if (isOwn(spec.linux.uidMappings, linux.geteuid()) and isOwn(spec.linux.gidMappings, linux.getegid())) return null;
    if (spec.linux.uidMappings.len == 0) return null;
    return .{ .newuidmap = try find(context, "newuidmap"), .newgidmap = try find(context, "newgidmap") };
}

fn isOwn(mappings: []const userns.Mapping, id: u32) bool {
    return mappings.len == 1 and mappings[0].size == 1 and mappings[0].hostID == id;
}

fn find(context: *const Context, comptime name: []const u8) sys.Error!Text {
    var directories = std.mem.splitScalar(u8, context.variable("PATH") orelse "/usr/bin:/bin", ':');
    while (directories.next()) |directory| {
        if (directory.len == 0 or directory[0] != '/') continue;
        const path = std.fs.path.joinZ(context.arena, &.{ directory, name }) catch return contexts.outOfMemory();
        if (linux.errno(linux.faccessat(linux.AT.FDCWD, path, linux.X_OK, 0)) == .SUCCESS) return path;
    }
    return sys.fail(name, "mapping more than one id needs " ++ name ++ ", which is not in $PATH: install uidmap");
}
