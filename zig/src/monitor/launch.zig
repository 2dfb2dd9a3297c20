//! From a prepared plan to a running container: one clone3, the id maps, the handshake until execve. Nothing stays
//! behind when it fails.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const report = @import("../process/report.zig");
const userns = @import("../userns.zig");
const child = @import("../process/child.zig");
const descriptors = @import("../process/descriptors.zig");
const joined = @import("../process/joined.zig");
const namespaces = @import("../process/namespaces.zig");
const terminals = @import("../process/terminal.zig");
const agent = @import("../process/agent.zig");
const idmap = @import("../rootfs/idmap.zig");
const fuse = @import("../rootfs/fuse.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const contract = @import("../contract.zig");
const networks = @import("network.zig");
const memberships = @import("memberships.zig");
const foreign = @import("../foreign/foreign.zig");
const Space = @import("../process/space.zig").Space;
const linux = sys.linux;

/// What is started: a container, or a further process in one that runs.
pub const Target = union(enum) {
    container: *child.Plan,
    joined: *joined.Plan,
    /// One or the other, made by another runtime.
    foreign: *foreign.Plan,

    pub fn hasTerminal(target: Target) bool {
        return switch (target) {
            .foreign => |plan| plan.terminal,
            inline else => |plan| plan.program.terminal,
        };
    }

    pub fn passed(target: Target) descriptors.Passed {
        return switch (target) {
            inline else => |plan| plan.passed,
        };
    }

    pub fn pass(target: Target, given: descriptors.Passed) void {
        switch (target) {
            inline else => |plan| plan.passed = given,
        }
    }

    /// About what config.json asks for and nobody can give. Another runtime has its own.
    fn warnings(target: Target) []const []const u8 {
        return switch (target) {
            .foreign => &.{},
            inline else => |plan| plan.program.warnings,
        };
    }

    fn findFilter(target: Target) void {
        switch (target) {
            .foreign => {},
            inline else => |plan| plan.program.findFilter(),
        }
    }

    /// Without a terminal it means nothing.
    pub fn setConsoleSize(target: Target, size: ?terminals.Size) void {
        switch (target) {
            inline else => |plan| plan.console_size = size,
        }
    }

    /// Null: no id maps have to be written, and nobody waits for them.
    fn maps(target: Target) ?*const userns.Plan {
        return switch (target) {
            .container => |plan| if (plan.maps) |*value| value else null,
            .joined => null,
            .foreign => |plan| plan.maps(),
        };
    }

    /// The group that is made for it.
    fn group(target: Target) ?*const cgroups.Plan {
        return switch (target) {
            .container => |plan| &plan.cgroup,
            .joined => null,
            .foreign => |plan| plan.group(),
        };
    }

    /// Of a container that is made.
    fn own(target: Target) *child.Plan {
        return switch (target) {
            .container => |plan| plan,
            .foreign => |plan| plan.work.container.own,
            .joined => unreachable, // a further process makes no network
        };
    }

    fn rootfs(target: Target) ?*const contract.Rootfs {
        return switch (target) {
            .container => |plan| &plan.root.rootfs,
            .joined => null,
            .foreign => |plan| plan.rootfs(),
        };
    }
};

pub const Running = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    /// The terminal's master, when there is one.
    terminal: ?linux.fd_t,
    /// Of a container: its path lives where the plan does.
    cgroup: cgroups.Cgroup = .{},
    /// Where it has no pid namespace of its own: its end is not the end of what it started.
    space: ?Space = null,
    network: networks.Network = .{},
    /// Another runtime's container: our child is not the container's process, but the one that watches over it.
    keeper: ?foreign.Keeper = null,
};

/// A failure after which `line` is the event to emit: the child's own, or ours.
pub const Result = union(enum) { running: Running, failed: event.Line };

/// A child in its new namespaces that waits for `proceed`.
pub const Launch = struct {
    pid: linux.pid_t,
    pidfd: linux.fd_t,
    channel: linux.fd_t,
    /// The programs that write the id maps.
    writing: ?userns.Writing = null,
    /// The process that serves a fuse mount.
    server: ?linux.pid_t = null,
    /// It is ready, and waits for `release`, or `proceedToProgram`.
    waits: bool = false,
    /// The user namespace that process is to be in.
    userns: ?linux.fd_t = null,
    /// What went wrong before the container's process was known.
    early_failure: ?event.Line = null,
    /// The container's group, made in step with it.
    birth: ?cgroups.Birth = null,
    /// Of its processes, where they would not end with the first.
    space: ?Space = null,
    network: networks.Network = .{},
    /// What `pid` watches over, when it is a keeper.
    program: ?foreign.Program = null,

    /// The parent's copies of `streams` stay open: closing them is the caller's.
    pub fn start(target: Target, streams: ?child.Streams) sys.Error!Launch {
        for (target.warnings()) |text| event.emit(event.warning("config", text));
        target.findFilter();
        const channel = try report.open();
        errdefer _ = linux.close(channel.parent);
        var launch: Launch = .{ .pid = 0, .pidfd = -1, .channel = channel.parent };
        if (target.group()) |group| launch.birth = try .begin(group);
        errdefer launch.abandon();
        if (target == .foreign) target.foreign.expectGroup(launch.birth);
        var args: sys.CloneArgs = .{
            .flags = linux.CLONE.PIDFD | fromBirth(target),
            .pidfd = @intFromPtr(&launch.pidfd),
        };
        const rc = clone(target, &args, if (target == .container) launch.birth.?.into else null);
        if (linux.errno(rc) == .SUCCESS and rc == 0) {
            _ = linux.close(channel.parent);
            switch (target) {
                .container => |plan| if (goesAhead(target))
                    child.runAhead(plan, streams, channel.child)
                else
                    child.run(plan, streams, channel.child),
                .joined => |plan| joined.run(plan, streams, channel.child),
                .foreign => |plan| foreign.run(plan, streams, channel.child),
            }
        }
        _ = linux.close(channel.child);
        target.passed().close();
        launch.pid = @intCast(try sys.check("clone3", "new namespaces", rc));
        if (goesAhead(target)) launch.awaitProcess(target);
        if (launch.early_failure != null) return launch;
        const is_inside = args.flags & sys.clone_into_cgroup != 0;
        if (target == .container) try launch.birth.?.adopt(launch.pid, is_inside);
        if (target == .joined) try launch.join(target.joined);
        return launch;
    }

    fn fromBirth(target: Target) u64 {
        return switch (target) {
            .container => |plan| if (goesAhead(target)) 0 else plan.namespaces.new & namespaces.from_birth,
            .joined => 0,
            .foreign => |plan| plan.fromBirth(),
        };
    }

    /// Whether the first process only makes the container's.
    fn goesAhead(target: Target) bool {
        return switch (target) {
            .container => |plan| plan.namespaces.joined.len > 0,
            .joined => false,
            .foreign => |plan| plan.goesAhead(),
        };
    }

    /// Until it is known which process is the container's. What failed instead is for `finish` to tell.
    fn awaitProcess(launch: *Launch, target: Target) void {
        var buffer: [1 + event.line_bytes_max]u8 = undefined;
        while (report.receive(launch.channel, &buffer)) |message| switch (message.kind) {
            .process => return launch.follow(target, message),
            .failed => launch.early_failure = lineOf(message),
            .space => launch.takeSpace(message), // it may be faster than whoever made it
            else => {},
        };
    }

    /// Into the cgroup at once where that is possible: a move costs more. It is not for a scope of systemd, which comes
    /// after the process, nor from a group that is not ours.
    fn clone(target: Target, args: *sys.CloneArgs, made: ?linux.fd_t) usize {
        const into = made orelse switch (target) {
            .container, .foreign => return sys.clone3(args),
            .joined => |plan| if (plan.cgroup.isNone()) return sys.clone3(args) else plan.cgroup.openDirectory() catch -1,
        };
        defer if (made == null) {
            _ = linux.close(into);
        };
        const plain = args.flags;
        args.flags |= sys.clone_into_cgroup;
        args.cgroup = @intCast(@max(0, into));
        const rc = sys.clone3(args);
        switch (linux.errno(rc)) {
            .SUCCESS, .AGAIN, .NOMEM => return rc,
            else => {},
        }
        args.flags = plain;
        args.cgroup = 0;
        if (target == .joined) target.joined.waits = true;
        return sys.clone3(args);
    }

    /// A further process that could not be born into the container's group is moved there.
    fn join(launch: *const Launch, plan: *const joined.Plan) sys.Error!void {
        if (!plan.waits) return;
        try cgroups.join(plan.arena, plan.cgroup, launch.pid, plan.first);
        report.send(launch.channel, .go, "");
    }

    /// Begin to write the id maps; what needs neither them nor the child is best done between this and `proceed`.
    pub fn writeMaps(launch: *Launch, target: Target) sys.Error!void {
        if (launch.early_failure != null) return;
        const maps = target.maps() orelse return;
        launch.writing = maps.begin(launch.pid) catch |err| return launch.unlessTold(err);
    }

    /// Nothing can be done for a child that has ended: then what it said is what went wrong, and `finish` tells it.
    fn unlessTold(launch: *Launch, err: sys.Error) sys.Error!void {
        var buffer: [1 + event.line_bytes_max]u8 = undefined;
        while (report.has(launch.channel)) {
            const message = report.receive(launch.channel, &buffer) orelse break;
            if (message.fd) |fd| _ = linux.close(fd);
            if (message.kind == .failed) launch.early_failure = lineOf(message);
        }
        return if (launch.early_failure == null) err else {};
    }

    /// Without the namespace itself its number would be worth nothing: it may be somebody else's a moment later.
    fn takeSpace(launch: *Launch, message: report.Message) void {
        pin(message.fd orelse return);
        launch.space = .from(message.text);
    }

    /// Once the maps are written, let the child go on.
    pub fn proceed(launch: *Launch, target: Target) sys.Error!void {
        if (launch.early_failure != null) return;
        return launch.letGoOn(target) catch |err| launch.unlessTold(err);
    }

    fn letGoOn(launch: *Launch, target: Target) sys.Error!void {
        const rootfs = target.rootfs() orelse return; // a further process waits for nothing
        if (target == .container) {
            const group = try launch.birth.?.finish();
            try cgroups.limitMemory(group, &target.container.cgroup);
            tellLimits();
        }
        if (launch.writing) |writing| try writing.finish();
        if (target == .container) try launch.mapMounts(target.container);
        // From now on it lets nobody look into it.
        if (rootfs.kind == .@"fuse-overlayfs") launch.userns = openUserNamespace(launch.pid);
        report.send(launch.channel, .go, "");
    }

    fn tellLimits() void {
        if (cgroups.warning()) |text| event.emit(event.warning("cgroup", text));
    }

    /// The id-mapped mounts: the child has no right to make them.
    fn mapMounts(launch: *const Launch, plan: *const child.Plan) sys.Error!void {
        for (plan.root.operations) |*operation| {
            const mapped = if (operation.idmap) |*mapped| mapped else continue;
            const space: ?linux.fd_t = if (mapped.maps == null) try userns.open(launch.pid) else null;
            defer if (space) |fd| {
                _ = linux.close(fd);
            };
            const tree = try idmap.make(mapped, operation.source, operation.options.is_recursive, space);
            defer _ = linux.close(tree);
            try report.sendDescriptor(launch.channel, .mapped_mount, tree);
        }
    }

    /// Follow the child until it executed its program. Warnings are passed on.
    pub fn finish(launch: *Launch, target: Target) Result {
        var buffer: [1 + event.line_bytes_max]u8 = undefined;
        var terminal: ?linux.fd_t = null;
        var failure = launch.early_failure;
        var is_executing = false;
        while (report.receive(launch.channel, &buffer)) |message| switch (message.kind) {
            .terminal => terminal = message.fd,
            .process => launch.follow(target, message),
            .executing => {
                is_executing = true;
                if (launch.program != null) break; // a keeper has more to say later
            },
            .created => {
                is_executing = true;
                launch.waits = true;
                break;
            },
            .member, .program => launch.hear(target.foreign, message) catch {
                failure = event.failed();
                break;
            },
            .hooks => launch.runHooks(target) catch {
                failure = event.failed();
                break;
            },
            .listener => launch.giveListener(target, message.fd.?) catch {
                failure = event.failed();
                break;
            },
            .tap => launch.startNetwork(target, message.fd.?) catch {
                failure = event.failed();
                break;
            },
            .outside => launch.startTool(target) catch {
                failure = event.failed();
                break;
            },
            .space => launch.takeSpace(message),
            .warning => sys.writeAll(event.descriptor, message.text) catch {},
            .failed => failure = lineOf(message),
            .fuse => launch.server = launch.serve(target, message.fd.?) catch {
                failure = event.failed();
                launch.abandon();
                break;
            },
            else => {},
        };
        if (launch.userns) |fd| _ = linux.close(fd);
        launch.userns = null;
        if (failure == null and is_executing) {
            if (launch.program) |program| return .{ .running = launch.kept(program, terminal) };
            if (!launch.waits) _ = linux.close(launch.channel);
            return .{ .running = .{
                .pid = launch.pid,
                .pidfd = launch.pidfd,
                .terminal = terminal,
                .cgroup = if (launch.birth) |birth| birth.group else .{},
                .space = launch.space,
                .network = launch.network,
            } };
        }
        _ = linux.close(launch.channel);
        launch.abandon();
        if (terminal) |fd| _ = linux.close(fd);
        if (launch.serverFailed(target)) return .{ .failed = event.failed() };
        if (failure) |line| return .{ .failed = line };
        sys.fail("start", "the container's process was killed before it could start") catch {};
        return .{ .failed = event.failed() };
    }

    /// Its filter asks somebody: whoever config.json says gets the descriptor, and then it goes on.
    fn giveListener(launch: *const Launch, target: Target, listener: linux.fd_t) sys.Error!void {
        defer _ = linux.close(listener);
        const program, const first, const status: []const u8 = switch (target) {
            .container => |plan| .{ &plan.program, launch.pid, "creating" },
            .joined => |plan| .{ &plan.program, plan.first, "running" },
            .foreign => unreachable, // has no filter of ours
        };
        try agent.give(program.seccomp.?, &program.told, .{ .pid = launch.pid, .first = first, .status = status }, listener);
        report.send(launch.channel, .go, "");
    }

    /// What must be known of a container that waits for `start` is written down: it may outlive us.
    pub fn release(launch: *const Launch) void {
        report.send(launch.channel, .go, "");
        _ = linux.close(launch.channel);
    }

    /// The same of one that nobody has to start: it goes on, and is followed until it executed its program.
    pub fn proceedToProgram(launch: *Launch, target: Target) Result {
        launch.waits = false;
        report.send(launch.channel, .go, "");
        return launch.finish(target);
    }

    /// The outer end of the next interface: of the private network first, then of each that others may be on.
    fn startNetwork(launch: *Launch, target: Target, tap: linux.fd_t) sys.Error!void {
        const plan = target.own();
        const count = if (plan.networks) |*several| several.entries.len else 0;
        if (plan.network) |*network| if (launch.network.tap < 0) {
            try launch.network.start(network.asked, network.directory, tap);
            memberships.adoptOwn(launch.network.control);
            if (count > 0) return;
            return report.send(launch.channel, .go, "");
        };
        const several = &plan.networks.?;
        if (try memberships.begin(several.entries, several.runtime_dir, tap)) report.send(launch.channel, .go, "");
    }

    fn startTool(launch: *Launch, target: Target) sys.Error!void {
        try launch.network.startTool(target.own().network_tool.?, launch.pid);
        report.send(launch.channel, .go, "");
    }

    fn runHooks(launch: *const Launch, target: Target) sys.Error!void {
        const set = &target.container.hooks.?;
        set.watched = launch.pidfd;
        defer set.watched = null;
        try set.run(.prestart, "creating", launch.pid);
        try set.run(.createRuntime, "creating", launch.pid);
        report.send(launch.channel, .go, "");
    }

    /// From here on the real process is watched: the one that joined the namespaces has done its work.
    fn follow(launch: *Launch, target: Target, message: report.Message) void {
        // it has nothing left to do, and in a group that is paused it would not end by itself
        if (target == .joined) _ = linux.pidfd_send_signal(launch.pidfd, .KILL, null, 0);
        _ = sys.waitExitFd(launch.pidfd) catch {};
        _ = linux.close(launch.pidfd);
        launch.pid = @bitCast(message.text[0..4].*);
        launch.pidfd = message.fd.?;
        if (target == .foreign and target.foreign.work == .exec) report.send(launch.channel, .go, "");
    }

    /// What a keeper says, and waits for an answer to.
    fn hear(launch: *Launch, plan: *foreign.Plan, message: report.Message) sys.Error!void {
        const program: foreign.Program = try .of(message.fd.?);
        if (message.kind == .member) {
            defer _ = linux.close(program.pidfd);
            try plan.admit(&launch.birth, program.pid);
        } else {
            launch.program = program;
            if (plan.sharesProcesses()) {
                pin(openMountNamespace(program.pid));
                if (pinned != null) launch.space = .of(program.pid);
            }
            if (launch.birth) |birth| if (!birth.group.isNone()) {
                try cgroups.update(birth.group, birth.plan);
                tellLimits();
            };
        }
        report.send(launch.channel, .go, "");
    }

    fn kept(launch: *const Launch, program: foreign.Program, terminal: ?linux.fd_t) Running {
        return .{
            .pid = program.pid,
            .pidfd = program.pidfd,
            .terminal = terminal,
            .cgroup = if (launch.birth) |birth| birth.group else .{},
            .space = launch.space,
            .network = launch.network,
            .keeper = .{ .pid = launch.pid, .pidfd = launch.pidfd, .channel = launch.channel },
        };
    }

    fn serve(launch: *const Launch, target: Target, device: linux.fd_t) sys.Error!linux.pid_t {
        defer _ = linux.close(device);
        return fuse.serve(launch.userns, target.rootfs().?, device);
    }

    /// Of a container that is gone: with its mount the server has ended as well, and tells whether it ever worked.
    fn serverFailed(launch: *const Launch, target: Target) bool {
        const pid = launch.server orelse return false;
        const status = sys.waitExit(pid) catch return false;
        if (status == 0) return false;
        sys.failFormat("mount", "{s} failed with status {d}", .{ target.rootfs().?.program, status }) catch {};
        return true;
    }

    /// Kill and reap it: with it go its namespaces and everything mounted in them, and its cgroup.
    pub fn abandon(launch: *Launch) void {
        if (launch.pidfd >= 0) {
            _ = linux.pidfd_send_signal(launch.pidfd, .KILL, null, 0);
            _ = sys.waitExitFd(launch.pidfd) catch {};
            _ = linux.close(launch.pidfd);
        }
        memberships.forgetOwn();
        launch.network.stop();
        memberships.stop();
        if (launch.birth) |*birth| birth.abandon();
    }
};

/// Of the container whose processes are known by their mount namespace: as long as we hold it, its number is nobody
/// else's. Let go of with the next one, or with us.
var pinned: ?linux.fd_t = null;

fn pin(namespace: ?linux.fd_t) void {
    if (pinned) |fd| _ = linux.close(fd);
    pinned = namespace;
}

fn openMountNamespace(pid: linux.pid_t) ?linux.fd_t {
    var name: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&name, "/proc/{d}/ns/mnt", .{pid}) catch unreachable;
    const rc = linux.open(path, .{ .CLOEXEC = true }, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

fn lineOf(message: report.Message) event.Line {
    var line: event.Line = .{ .used = message.text.len };
    @memcpy(line.buffer[0..line.used], message.text);
    return line;
}

/// For work that needs the container's ids when its own process is gone, or lets nobody near.
pub fn openUserNamespace(pid: linux.pid_t) ?linux.fd_t {
    var name: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&name, "/proc/{d}/ns/user", .{pid}) catch unreachable;
    const rc = linux.open(path, .{ .CLOEXEC = true }, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}
