//! What a keeper is to do, as data: made by the process that starts it, from helper.json and config.json.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const prepare = @import("../prepare.zig");
const child = @import("../process/child.zig");
const namespaces = @import("../process/namespaces.zig");
const terminals = @import("../process/terminal.zig");
const descriptors = @import("../process/descriptors.zig");
const cgroups = @import("../cgroup/cgroup.zig");
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
    /// Of its environment, what is not written in config.json.
    variables: []const [:0]const u8,
    /// Who the runtime is called by must be in the container's cgroup first, where its children are born.
    joins_group: bool = false,
    passed: descriptors.Passed = .{},
    work: union(enum) { container: Container, exec: Exec },

    /// The id maps that have to be written for the keeper.
    pub fn maps(plan: *const Plan) ?*const userns.Plan {
        return switch (plan.work) {
            .container => |container| if (container.own.maps) |*value| value else null,
            .exec => null,
        };
    }

    /// CLONE_NEW* the first process is born with.
    pub fn fromBirth(plan: *const Plan) u64 {
        return switch (plan.work) {
            .container => |container| if (plan.goesAhead()) 0 else container.own.namespaces.new & namespaces.from_birth,
            .exec => 0,
        };
    }

    /// Whether the first process only joins namespaces and makes the keeper.
    pub fn goesAhead(plan: *const Plan) bool {
        return switch (plan.work) {
            .container => |container| container.own.namespaces.joined.len > 0,
            .exec => false,
        };
    }

    /// Of a container without a pid namespace of its own.
    pub fn sharesProcesses(plan: *const Plan) bool {
        return switch (plan.work) {
            .container => |container| !container.own.namespaces.makes(linux.CLONE.NEWPID),
            .exec => false,
        };
    }

    pub fn hasCgroupNamespace(plan: *const Plan) bool {
        return switch (plan.work) {
            .container => |container| container.own.namespaces.makes(linux.CLONE.NEWCGROUP),
            .exec => |exec| exec.spaces & linux.CLONE.NEWCGROUP != 0,
        };
    }

    /// The group that has to be made.
    pub fn group(plan: *const Plan) ?*const cgroups.Plan {
        return switch (plan.work) {
            .container => |container| &container.own.cgroup,
            .exec => null,
        };
    }

    /// Before the keeper exists: whether there will be a group to join.
    pub fn expectGroup(plan: *Plan, birth: ?cgroups.Birth) void {
        plan.joins_group = switch (plan.work) {
            .container => birth.?.bus != null or !birth.?.group.isNone(),
            .exec => |exec| !exec.cgroup.isNone(),
        };
    }

    /// Put `pid` into the container's group.
    pub fn admit(plan: *const Plan, birth: *?cgroups.Birth, pid: linux.pid_t) sys.Error!void {
        switch (plan.work) {
            .container => {
                try birth.*.?.adopt(pid, false);
                _ = try birth.*.?.finish();
            },
            .exec => |exec| try cgroups.join(plan.arena.allocator(), exec.cgroup, pid, exec.first),
        }
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
    own: *child.Plan,
    /// Where config.json is.
    directory: [:0]const u8,
};

pub const Exec = struct {
    /// The container's keeper, and which of its namespaces are not ours.
    keeper: linux.fd_t,
    spaces: u32,
    /// The container's first process, and its group.
    program: linux.fd_t,
    first: linux.pid_t,
    cgroup: cgroups.Cgroup,
    /// OCI `process`, and the first word of its command line.
    process: std.json.Value,
    command: [:0]const u8,
    groups: []const u32,
};

pub fn ofContainer(arena: *std.heap.ArenaAllocator, container: *prepare.Container) sys.Error!Plan {
    const helper = &container.helper;
    if (container.plan.namespaces.joins(.mount)) {
        return sys.fail("namespaces", "another runtime cannot be put into a mount namespace that is there");
    }
    if (container.plan.maps) |*maps| maps.* = recognizable(arena.allocator(), maps) catch return outOfMemory();
    container.plan.cgroup.limits_come_later = true; // a runtime may need more than its container
    return .{
        .arena = arena,
        .runtime = helper.runtime.?,
        .id = helper.id,
        .place = helper.runtimeDir,
        .terminal = container.plan.program.terminal,
        .console_size = container.plan.console_size,
        .user = helper.user,
        .group_names = helper.groups,
        .variables = try variablesOf(arena, helper.environmentFile),
        .work = .{ .container = .{ .own = &container.plan, .directory = helper.containerDir } },
    };
}

/// A user namespace with one line for all ids is what runtimes take for the host's, where they would try what only real
/// root may: two lines mean the same.
fn recognizable(arena: std.mem.Allocator, plan: *const userns.Plan) error{OutOfMemory}!userns.Plan {
    return .prepare(arena, .{
        .uid = if (mapsAll(plan.maps.uid)) &all_in_two else plan.maps.uid,
        .gid = if (mapsAll(plan.maps.gid)) &all_in_two else plan.maps.gid,
        .tools = plan.maps.tools,
    });
}

const all_ids = std.math.maxInt(u32);
const all_in_two = [_]userns.Mapping{
    .{ .containerID = 0, .hostID = 0, .size = 1 },
    .{ .containerID = 1, .hostID = 1, .size = all_ids - 1 },
};

fn mapsAll(mappings: []const userns.Mapping) bool {
    return mappings.len == 1 and std.meta.eql(mappings[0], .{ .containerID = 0, .hostID = 0, .size = all_ids });
}

fn variablesOf(arena: *std.heap.ArenaAllocator, file: ?[:0]const u8) sys.Error![]const [:0]const u8 {
    return if (file) |path| prepare.readVariables(arena.allocator(), path) else &.{};
}

fn outOfMemory() sys.Error {
    return sys.fail("prepare", "out of memory");
}

/// `bytes` is exec.json itself.
pub fn ofExec(
    arena: *std.heap.ArenaAllocator,
    exec: *const contract.Exec,
    bytes: []const u8,
    place: struct {
        keeper: linux.fd_t,
        spaces: u32,
        program: linux.fd_t,
        first: linux.pid_t,
        cgroup: cgroups.Cgroup,
    },
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
        .variables = try variablesOf(arena, exec.environmentFile),
        .work = .{ .exec = .{
            .keeper = place.keeper,
            .spaces = place.spaces,
            .program = place.program,
            .first = place.first,
            .cgroup = place.cgroup,
            .process = raw.process,
            .command = if (exec.process.args.len > 0) exec.process.args[0] else "",
            .groups = exec.process.user.additionalGids,
        } },
    };
}

test "recognizable() says the same with two lines" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const all = [_]userns.Mapping{.{ .containerID = 0, .hostID = 0, .size = all_ids }};
    const some = [_]userns.Mapping{.{ .containerID = 0, .hostID = 0, .size = 65536 }};
    const before: userns.Plan = .{ .maps = .{ .uid = &all, .gid = &some } };
    const plan = try recognizable(arena_state.allocator(), &before);
    try std.testing.expectEqualStrings("0 0 1\n1 1 4294967294\n", plan.uid_text);
    try std.testing.expectEqualStrings("0 0 65536\n", plan.gid_text);
}
