//! What a keeper is to do, as data: made by the process that starts it, from helper.json and config.json.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const prepare = @import("../prepare.zig");
const child = @import("../process/child.zig");
const namespaces_room = @import("../process/namespaces.zig");
const terminals = @import("../process/terminal.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

pub const Plan = struct {
    /// Owns all of this. The monitor and the keeper both give it back once the program runs.
    arena: *std.heap.ArenaAllocator,
    runtime: contract.Runtime,
    id: [:0]const u8,
    /// A directory of the host that exists; in the container's outer namespaces a tmpfs lies over it.
    place: [:0]const u8,
    terminal: bool,
    console_size: ?terminals.Size,
    /// As helper.json says it; null: the ids are in `process.user`.
    user: ?[:0]const u8,
    /// Further groups, by name.
    group_names: []const [:0]const u8,
    work: union(enum) { container: Container, exec: Exec },

    /// The id maps that have to be written for the keeper.
    pub fn maps(plan: *const Plan) ?*const userns.Plan {
        return switch (plan.work) {
            .container => |container| if (container.own.maps) |*value| value else null,
            .exec => null,
        };
    }

    /// CLONE_NEW* the keeper is born with.
    pub fn namespaces(plan: *const Plan) u64 {
        return switch (plan.work) {
            .container => |container| container.own.namespaces.new & namespaces_room.from_birth,
            .exec => 0,
        };
    }

    /// The layers to mount, which fuse-overlayfs may have to serve. Null: they are mounted.
    pub fn rootfs(plan: *const Plan) ?*const contract.Rootfs {
        return switch (plan.work) {
            .container => |container| &container.own.root.rootfs,
            .exec => null,
        };
    }
};

pub const Container = struct {
    /// The plan of our own runtime: its maps, layers and propagation are used.
    own: *const child.Plan,
    /// Where config.json is.
    directory: [:0]const u8,
};

pub const Exec = struct {
    /// The container's keeper, and which of its namespaces are not ours.
    keeper: linux.fd_t,
    namespaces: u32,
    /// The container's first process.
    program: linux.fd_t,
    /// OCI `process`, and the first word of its command line.
    process: std.json.Value,
    command: [:0]const u8,
    groups: []const u32,
    /// Somebody wants to know how it ends.
    stays: bool = true,
};

pub fn ofContainer(arena: *std.heap.ArenaAllocator, container: *const prepare.Container) sys.Error!Plan {
    const helper = &container.helper;
    if (container.plan.namespaces.joins(.user)) {
        return sys.fail("namespaces", "another runtime cannot be put into a user namespace that is there");
    }
    if (container.plan.cgroup.firstLimit()) |name| {
        return sys.failFormat("cgroup", "{s}: containers of another runtime get no cgroup yet", .{name});
    }
    return .{
        .arena = arena,
        .runtime = helper.runtime.?,
        .id = helper.id,
        .place = helper.runtimeDir,
        .terminal = container.plan.program.terminal,
        .console_size = container.plan.console_size,
        .user = helper.user,
        .group_names = helper.groups,
        .work = .{ .container = .{ .own = &container.plan, .directory = helper.containerDir } },
    };
}

/// `bytes` is exec.json itself.
pub fn ofExec(
    arena: *std.heap.ArenaAllocator,
    exec: *const contract.Exec,
    bytes: []const u8,
    work: struct { keeper: linux.fd_t, namespaces: u32, program: linux.fd_t },
) sys.Error!Plan {
    const Settings = struct { id: [:0]const u8, runtime: contract.Runtime };
    const settings = try contract.load(Settings, arena.allocator(), exec.containerDir, "helper.json");
    const raw = try contract.parse(struct { process: std.json.Value }, arena.allocator(), "exec.json", bytes);
    return .{
        .arena = arena,
        .runtime = settings.runtime,
        .id = settings.id,
        .place = exec.runtimeDir,
        .terminal = exec.process.terminal,
        .console_size = null,
        .user = exec.user,
        .group_names = exec.groups,
        .work = .{ .exec = .{
            .keeper = work.keeper,
            .namespaces = work.namespaces,
            .program = work.program,
            .process = raw.process,
            .command = if (exec.process.args.len > 0) exec.process.args[0] else "",
            .groups = exec.process.user.additionalGids,
        } },
    };
}
