//! The keeper: calls the runtime and waits for what it has started. Of a container it is process 1 of the outer pid
//! namespace; of an exec a process that has joined it, and whom the program is left to as to an init.
//!
//! It runs a file of the host but nothing of the container: that is the runtime's process, in namespaces of its own,
//! where the keeper is not seen (unless it is asked to share a pid namespace). All signals are blocked; it sleeps until
//! one of its children ends.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const userns = @import("../userns.zig");
const report = @import("../process/report.zig");
const child = @import("../process/child.zig");
const programs = @import("../process/program.zig");
const namespaces = @import("../process/namespaces.zig");
const caps = @import("../process/caps.zig");
const footprint = @import("../monitor/footprint.zig");
const plans = @import("plan.zig");
const worlds = @import("world.zig");
const bundles = @import("bundle.zig");
const commands = @import("command.zig");
const consoles = @import("console.zig");
const failures = @import("failure.zig");
const handles = @import("handle.zig");
const execution = @import("execution.zig");
const people = @import("person.zig");
const inits = @import("init.zig");
const contract = @import("../contract.zig");
const procfs = @import("../procfs.zig");
const path = @import("../rootfs/path.zig");
const linux = sys.linux;

/// What the kernel sends the keeper of an exec when its monitor dies. SIGTERM is what a session's end sends to everybody.
const monitor_died: linux.SIG = .USR1;

const Error = sys.Error || error{OutOfMemory};

pub fn run(plan: *plans.Plan, streams: ?child.Streams, channel: linux.fd_t) noreturn {
    var keeper: Keeper = .{ .plan = plan, .streams = streams, .channel = channel };
    keeper.runIn() catch |err| if (err == error.OutOfMemory) {
        sys.fail("prepare", "out of memory") catch {};
    };
    const line = event.failed();
    report.send(keeper.channel, .failed, line.bytes());
    linux.exit_group(125);
}

const Keeper = struct {
    plan: *plans.Plan,
    streams: ?child.Streams,
    channel: linux.fd_t,
    console: ?linux.fd_t = null,

    fn runIn(keeper: *Keeper) Error!noreturn {
        var all = linux.sigfillset();
        _ = linux.sigprocmask(linux.SIG.BLOCK, &all, null);
        switch (keeper.plan.work) {
            .container => |*container| try keeper.make(container),
            .exec => |*exec| try keeper.join(exec),
        }
    }

    // A container ---------------------------------------------------------------------------------------------

    fn make(keeper: *Keeper, container: *const plans.Container) Error!noreturn {
        const own = container.own;
        if (keeper.plan.goesAhead()) try child.makeSibling(own, keeper.channel);
        try dieWithMonitor(own);
        try worlds.separate(own);
        report.awaitGo(keeper.channel);
        child.awaitTool(own, keeper.channel);
        if (own.maps) |maps| try userns.becomeRoot(maps.maps);
        if (own.namespaces.joins(.user)) namespaces.becomeRoot();
        try dieWithMonitor(own); // a change of ids clears it
        _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), @intFromBool(mayBeLookedInto(own)), 0, 0, 0);
        const plan = keeper.plan;
        const world = try worlds.build(plan.arena.allocator(), own, plan.place, keeper.channel);
        if (child.makesNetwork(own)) try keeper.makeNetwork(own);
        const files: commands.Files = .of_container;
        try keeper.writeBundle(container, &files, &world);
        const call = try keeper.callOf(&files);
        try keeper.carryOut(&call, &call.create());
        const program = try keeper.findProgram(&files);
        keeper.streams = null;
        plan.joins_group = false; // it is in there
        const before: execution.Moment = .of(program);
        try keeper.carryOut(&call, &call.start());
        before.awaitExecution();
        report.send(keeper.channel, .executing, "");
        keeper.watch(program);
    }

    /// The container's is the keeper's own: what it is called in is what a runtime leaves as it is.
    fn makeNetwork(keeper: *const Keeper, own: *const child.Plan) sys.Error!void {
        try child.raiseLoopback();
        try child.makeTaps(own, keeper.channel);
        for (own.sysctls) |sysctl| if (sysctl.kind == .network) try procfs.write("sysctl", sysctl.path, sysctl.value);
        if (child.hasTaps(own)) report.awaitGo(keeper.channel);
    }

    /// As process 1 it takes everything along; otherwise it has the program to kill.
    fn dieWithMonitor(own: *const child.Plan) sys.Error!void {
        if (own.namespaces.makes(linux.CLONE.NEWPID)) return programs.dieWithParent();
        try beLikeAnInit();
    }

    /// Exec needs that, to join our namespaces. But nobody who may trace us may see us.
    fn mayBeLookedInto(own: *const child.Plan) bool {
        if (own.namespaces.makes(linux.CLONE.NEWPID)) return true;
        if (own.namespaces.joins(.pid)) return false;
        return own.program.capabilities.bounding & (1 << caps.sys_ptrace) == 0;
    }

    /// Go to where all names are relative to, once nothing else needs a directory. What the runtime makes is for the
    /// container's users to see.
    fn settle(keeper: *const Keeper) sys.Error!void {
        _ = try sys.check("chdir", keeper.plan.place, linux.chdir(keeper.plan.place));
        _ = linux.syscall1(.umask, 0o022);
    }

    fn writeBundle(
        keeper: *const Keeper,
        container: *const plans.Container,
        files: *const commands.Files,
        world: *const worlds.World,
    ) Error!void {
        const plan = keeper.plan;
        const own = container.own;
        const arena = plan.arena.allocator();
        if (own.program.creates_cwd) {
            const made = try path.ensureDirectory(world.root, own.program.cwd);
            _ = linux.close(made.fd);
        }
        const person = try keeper.personOf(.{ .root = world.root }, own.program.ids.additionalGids);
        try keeper.settle();
        var config = try contract.load(std.json.Value, arena, container.directory, "config.json");
        try bundles.adapt(arena, &config, .{
            .person = person,
            .console_size = own.console_size,
            .variables = plan.variables,
            .init = if (own.init) try inits.fileOf(arena, own, plan.place, &plan.runtime) else null,
            .moved = world.moved,
            .substitutes = try worlds.substitutes(arena, own),
            .has_network = child.makesNetwork(own),
            .lacks_tty_group = !userns.hasGroup(tty_group),
        });
        try writeJson(arena, files.config, &config);
    }

    /// Debian's and Alpine's "tty".
    const tty_group = 5;

    fn personOf(keeper: *const Keeper, place: people.Place, groups: []const u32) Error!?bundles.Person {
        const plan = keeper.plan;
        const text = plan.user orelse return null;
        return try people.find(plan.arena.allocator(), place, text, .{ .numbers = groups, .names = plan.group_names });
    }

    // An exec -------------------------------------------------------------------------------------------------

    /// Joins, makes the real keeper, which is a sibling as in process/joined.zig, and ends.
    fn join(keeper: *Keeper, exec: *plans.Exec) Error!noreturn {
        _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
        const rc = linux.setns(exec.keeper, exec.spaces);
        _ = try sys.check("setns", "the container's namespaces", rc);
        _ = linux.setresgid(0, 0, 0);
        _ = linux.setresuid(0, 0, 0);
        var pidfd: linux.fd_t = -1;
        const args: sys.CloneArgs = .{
            .flags = linux.CLONE.PIDFD | linux.CLONE.PARENT,
            .pidfd = @intFromPtr(&pidfd),
            .exit_signal = 0, // as ours: the parent is told as of any child
        };
        const pid = try sys.check("clone3", "a process beside the container", sys.clone3(&args));
        if (pid == 0) try keeper.begin(exec);
        try report.sendProcess(keeper.channel, @intCast(pid), pidfd);
        linux.exit_group(0);
    }

    fn begin(keeper: *Keeper, exec: *plans.Exec) Error!noreturn {
        try beLikeAnInit();
        report.awaitGo(keeper.channel);
        const arena = keeper.plan.arena.allocator();
        const files: commands.Files = try .numbered(arena, linux.getpid());
        try bundles.adaptProcess(arena, &exec.process, .{
            .person = try keeper.personOf(.{ .program = exec.program }, exec.groups),
            .console_size = keeper.plan.console_size,
            .variables = keeper.plan.variables,
        });
        try keeper.settle();
        errdefer files.remove();
        try writeJson(arena, files.config, &exec.process);
        const call = try keeper.callOf(&files);
        try keeper.carryOut(&call, &call.exec());
        const program = try keeper.findProgram(&files);
        files.remove();
        report.send(keeper.channel, .executing, "");
        keeper.watch(program);
    }

    // Both ----------------------------------------------------------------------------------------------------

    fn callOf(keeper: *const Keeper, files: *const commands.Files) Error!commands.Call {
        const plan = keeper.plan;
        const count = plan.passed.numbers.len;
        if (count != plan.passed.end() - 3) {
            return sys.fail("descriptors", "another runtime can be given only descriptors that follow one another from 3 on");
        }
        return .{
            .runtime = plan.runtime.path,
            .files = files,
            .id = plan.id,
            .terminal = plan.terminal,
            .passed = if (count == 0) null else try std.fmt.allocPrintSentinel(plan.arena.allocator(), "{d}", .{count}, 0),
        };
    }

    /// One call of the runtime, to its end.
    fn carryOut(keeper: *Keeper, call: *const commands.Call, words: *const commands.Words) sys.Error!void {
        const plan = keeper.plan;
        if (plan.terminal and keeper.console == null) keeper.console = try consoles.listen(call.files.console);
        const pid = try keeper.spawn(words);
        keeper.dropDescriptors();
        const ending = waitFor(pid, .{ .reaps_others = false });
        if (ending.code == 0) return;
        const arena = plan.arena.allocator();
        const log = contract.readFile(arena, call.files.log) catch "";
        return failures.remember(arena, plan.runtime.name, keeper.programName(), log, ending.code);
    }

    /// Who is to be the container's parent, or further process, goes into its group first.
    fn spawn(keeper: *const Keeper, words: *const commands.Words) sys.Error!linux.pid_t {
        const plan = keeper.plan;
        const inherited: commands.Inherited = .{ .streams = keeper.streams, .passed = plan.passed };
        if (!plan.joins_group) return commands.spawn(words, inherited, null);
        var pipe: [2]linux.fd_t = undefined;
        _ = try sys.check("pipe2", "", linux.pipe2(&pipe, .{ .CLOEXEC = true }));
        defer for (pipe) |fd| {
            _ = linux.close(fd);
        };
        const gate: commands.Gate = .{ .pipe = pipe[0], .shows_own_group = plan.hasCgroupNamespace() };
        const pid = try commands.spawn(words, inherited, gate);
        const pidfd = try sys.checkFd("pidfd_open", "the runtime", linux.pidfd_open(pid, 0));
        defer _ = linux.close(pidfd);
        try report.sendDescriptor(keeper.channel, .member, pidfd);
        report.awaitGo(keeper.channel);
        try sys.writeAll(pipe[1], "g");
        return pid;
    }

    fn programName(keeper: *const Keeper) [:0]const u8 {
        return switch (keeper.plan.work) {
            .container => |container| std.mem.span(container.own.program.argv[0].?),
            .exec => |exec| exec.command,
        };
    }

    /// The container's streams and the events are others' to close: only the channel and the console stay open.
    fn dropDescriptors(keeper: *Keeper) void {
        const channel = 3;
        const console = 4;
        if (keeper.channel == channel) return;
        const high = 10;
        const from_channel = linux.fcntl(keeper.channel, linux.F.DUPFD_CLOEXEC, high);
        const from_console = if (keeper.console) |fd| linux.fcntl(fd, linux.F.DUPFD_CLOEXEC, high) else 0;
        const cloexec: u32 = @bitCast(linux.O{ .CLOEXEC = true });
        _ = linux.dup3(@intCast(from_channel), channel, cloexec);
        keeper.channel = channel;
        if (keeper.console != null) {
            _ = linux.dup3(@intCast(from_console), console, cloexec);
            keeper.console = console;
        }
        sys.closeFrom(if (keeper.console == null) channel + 1 else console + 1);
        keeper.plan.passed = .{};
    }

    /// The process the runtime has left behind: tell the monitor of it and of its terminal.
    fn findProgram(keeper: *Keeper, files: *const commands.Files) sys.Error!linux.pid_t {
        const plan = keeper.plan;
        if (keeper.console) |listener| {
            const master = try consoles.receive(listener, plan.console_size);
            try report.sendDescriptor(keeper.channel, .terminal, master);
            _ = linux.close(master);
            _ = linux.close(listener);
        }
        const text = try contract.readFile(plan.arena.allocator(), files.pid);
        const pid = std.fmt.parseInt(linux.pid_t, std.mem.trim(u8, text, " \n"), 10) catch 0;
        if (pid <= 1) return sys.failFormat("runtime", "{s} wrote no process id", .{plan.runtime.name});
        const pidfd = try sys.checkFd("pidfd_open", "the container's process", linux.pidfd_open(pid, 0));
        defer _ = linux.close(pidfd);
        try report.sendDescriptor(keeper.channel, .program, pidfd);
        report.awaitGo(keeper.channel); // before it is reaped, so that its number can be told
        return pid;
    }

    /// Until the program ends; then say how, and end as well.
    fn watch(keeper: *Keeper, program: linux.pid_t) noreturn {
        keeper.plan.arena.deinit();
        footprint.shrink();
        const ending = waitFor(program, .{ .reaps_others = true });
        report.send(keeper.channel, .ended, std.mem.asBytes(&ending));
        linux.exit_group(0);
    }
};

/// Wait for a child. Others are reaped as an init does once it is the program that is waited for: before that, one of
/// them may be the program. When the monitor of an exec dies, the child is killed.
fn waitFor(pid: linux.pid_t, options: struct { reaps_others: bool }) handles.Ending {
    var wanted = linux.sigemptyset();
    linux.sigaddset(&wanted, .CHLD);
    linux.sigaddset(&wanted, monitor_died);
    while (true) {
        var status: u32 = 0;
        if (linux.waitpid(pid, &status, linux.W.NOHANG) == pid) return .from(status);
        if (options.reaps_others) {
            const other = linux.waitpid(-1, &status, linux.W.NOHANG);
            if (other == pid) return .from(status);
            if (linux.errno(other) == .SUCCESS and other != 0) continue;
        }
        const signal = linux.syscall4(.rt_sigtimedwait, @intFromPtr(&wanted), 0, 0, @sizeOf(u64));
        if (signal == @intFromEnum(monitor_died)) _ = linux.kill(pid, .KILL);
    }
}

/// Without being process 1: the runtime leaves its child to us, and the monitor's death is noticed.
fn beLikeAnInit() sys.Error!void {
    _ = try sys.check("subreaper", "", linux.prctl(@intFromEnum(linux.PR.SET_CHILD_SUBREAPER), 1, 0, 0, 0));
    const signal = @intFromEnum(monitor_died);
    _ = try sys.check("pdeathsig", "", linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), signal, 0, 0, 0));
}

fn writeJson(arena: std.mem.Allocator, name: [:0]const u8, value: *const std.json.Value) Error!void {
    const text = try std.json.Stringify.valueAlloc(arena, value.*, .{});
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true };
    const fd = try sys.checkFd("open", name, linux.open(name, flags, 0o600));
    defer _ = linux.close(fd);
    try sys.writeAll(fd, text);
}
