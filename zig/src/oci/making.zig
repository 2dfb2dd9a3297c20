//! From a bundle to a container: what `create` and `run` have in common. Everything that can be refused is refused
//! before anything is made; what fails later leaves nothing behind.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const prepare = @import("../prepare.zig");
const ourselves = @import("../process/ourselves.zig");
const child = @import("../process/child.zig");
const gates = @import("../process/gate.zig");
const hooks = @import("../process/hooks.zig");
const launch = @import("../monitor/launch.zig");
const record = @import("../monitor/record.zig");
const client = @import("../client/client.zig");
const consoles = @import("console.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const contexts = @import("context.zig");
const descriptors = @import("descriptors.zig");
const idmap = @import("idmap.zig");
const pid_files = @import("pid_file.zig");
const removal = @import("removal.zig");
const sentence = @import("sentence.zig");
const state = @import("state.zig");
const store = @import("store.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

pub const Options = struct {
    bundle: ?Text = null,
    config: ?Text = null,
    pid_file: ?Text = null,
    console_socket: ?Text = null,
    preserve_fds: ?u64 = null,
    no_pivot: bool = false,
    no_new_keyring: bool = false,
    /// Nobody's subreaper is made: what leaves its parent is the caller's, or ends with the container.
    no_subreaper: bool = false,
    pub const names = .{ .{ "b", "bundle" }, .{ "f", "config" } };
};

pub const Wanted = struct {
    id: Text,
    options: Options,
    /// Stop before the program, until `start`.
    waits: bool,
    /// Whether we stay with it, and so can serve its terminal.
    stays: bool = false,
};

pub const Made = struct {
    entry: store.Entry,
    running: launch.Running,
    hooks: ?*const hooks.Set,
};

/// What has been read, and where; absolute, for the working directory becomes the bundle.
const Bundle = struct {
    path: Text,
    spec: *contract.Spec,
    config_text: []const u8,
    pid_file: ?Text,
    console: ?linux.fd_t,
};

pub fn make(context: *const Context, wanted: Wanted) sys.Error!Made {
    const passed = try descriptors.preserved(context, wanted.options.preserve_fds orelse 0);
    const bundle = try readBundle(context, &wanted.options);
    try descriptors.announce(context, &bundle.spec.process);
    const plan = context.arena.create(child.Plan) catch return contexts.outOfMemory();
    plan.* = try planOf(context, &bundle, &wanted);
    plan.passed = passed;

    const entry = try store.claim(context.arena, context.root, wanted.id);
    errdefer entry.close();
    const set: ?*const hooks.Set = if (plan.hooks) |*set| set else null;
    errdefer removal.remove(context, &entry, .{ .bundle = ".", .hooks = set });
    plan.gate = if (wanted.waits) try gates.listen(&record.address(entry.directory, store.socket_name)) else .{};
    const target: launch.Target = .{ .container = plan };
    var started = try launch.Launch.start(target, null);
    if (plan.gate.?.listener) |fd| _ = linux.close(fd);
    const result = bringUp(context, &started, target, &entry, &bundle) catch |err| {
        started.abandon();
        return err;
    };
    const running = try expectRunning(context, result);
    publish(context, &entry, &running, &bundle) catch |err| {
        started.abandon();
        return err;
    };
    if (wanted.waits) started.release() else _ = try expectRunning(context, started.proceedToProgram(target));
    for (plan.program.warnings) |text| context.log.say(context.arena, .warning, text);
    if (cgroups.warning()) |text| context.log.say(context.arena, .warning, text);
    return .{ .entry = entry, .running = running, .hooks = set };
}

fn expectRunning(context: *const Context, result: launch.Result) sys.Error!launch.Running {
    switch (result) {
        .running => |running| return running,
        .failed => |line| {
            sentence.remember(context.arena, line.bytes());
            return error.Syscall;
        },
    }
}

/// Until the process is ready. While it is busy with its mounts we write down who it is.
fn bringUp(
    context: *const Context,
    started: *launch.Launch,
    target: launch.Target,
    entry: *const store.Entry,
    bundle: *const Bundle,
) sys.Error!launch.Result {
    try started.writeMaps(target);
    try started.proceed(target);
    try state.write(context.arena, entry, .{
        .id = std.fs.path.basename(entry.path),
        .pid = started.pid,
        .bundle = bundle.path,
        .cgroup = if (started.birth) |birth| birth.group.path else "",
        .config = bundle.config_text,
    });
    return started.finish(target);
}

fn publish(
    context: *const Context,
    entry: *const store.Entry,
    running: *const launch.Running,
    bundle: *const Bundle,
) sys.Error!void {
    if (bundle.console) |socket| try consoles.give(socket, running.terminal.?);
    if (bundle.pid_file) |path| try pid_files.write(context.arena, path, running.pid);
    try entry.publish();
}

fn readBundle(context: *const Context, options: *const Options) sys.Error!Bundle {
    const pid_file: ?Text = if (options.pid_file) |path| try contexts.absolute(context.arena, path) else null;
    const console_path: ?Text = if (options.console_socket) |path| try contexts.absolute(context.arena, path) else null;
    const before = try sys.checkFd("open", ".", linux.open(".", .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(before);
    const path = try enterBundle(context, options.bundle orelse ".");
    const config_name = options.config orelse "config.json";
    const config_text = try contract.readFile(context.arena, config_name);
    const spec = context.arena.create(contract.Spec) catch return contexts.outOfMemory();
    spec.* = try contract.parse(contract.Spec, context.arena, config_name, config_text);
    if (joinsProcesses(spec)) {
        _ = try sys.check("fchdir", ".", linux.fchdir(before)); // where the same command line means the same
        try ourselves.protect();
        _ = try sys.check("bundle", path, linux.chdir(path));
    }
    try idmap.complete(context, spec);
    const console: ?linux.fd_t = if (console_path) |name| try consoles.connect(name) else null;
    return .{ .path = path, .spec = spec, .config_text = config_text, .pid_file = pid_file, .console = console };
}

/// Whether others will see us execute what may be theirs.
fn joinsProcesses(spec: *const contract.Spec) bool {
    const namespace = spec.linux.find(.pid) orelse return false;
    const path = namespace.path orelse return false;
    return path.len > 0;
}

/// Its absolute path. Relative paths in config.json start here (config.md "Root", "Mounts").
fn enterBundle(context: *const Context, path: Text) sys.Error!Text {
    _ = try sys.check("bundle", path, linux.chdir(path));
    return contexts.workingDirectory(context.arena);
}

fn planOf(context: *const Context, bundle: *const Bundle, wanted: *const Wanted) sys.Error!child.Plan {
    const options = &wanted.options;
    const spec = bundle.spec;
    if (spec.process.terminal and options.console_socket == null and !wanted.stays) {
        return sys.fail("terminal", "cannot allocate tty if nobody stays with it: set --console-socket, or run in the foreground");
    }
    if (!spec.process.terminal and options.console_socket != null) {
        return sys.fail("terminal", "cannot use console socket if the container has no terminal");
    }
    const helper: contract.Helper = .{
        .contract = contract.contract_version,
        .id = wanted.id,
        .runtimeDir = "",
        .containerDir = "",
        .trashDir = "",
        .rootfs = .{ .kind = .directory },
        .idMapTools = try idmap.toolsFor(context, spec),
        .cgroup = .{ .manager = context.cgroup_manager },
        .seccompCache = try context.seccompCache(),
    };
    var plan = try prepare.planOf(context.arena, spec, &helper);
    plan.program.dies_with_parent = false;
    plan.program.keeps_keyring = options.no_new_keyring;
    plan.program.told.bundle = bundle.path;
    plan.root.no_pivot = options.no_pivot;
    plan.program.creates_cwd = true; // as the other runtimes do
    if (wanted.stays) plan.console_size = plan.console_size orelse client.currentSize();
    plan.hooks = try hooks.Set.prepare(context.arena, &spec.hooks, .{
        .ociVersion = spec.ociVersion,
        .id = wanted.id,
        .bundle = bundle.path,
        .annotations = spec.annotations,
    }, .{ .runtime = context.environ, .container = plan.program.envp.ptr });
    return plan;
}
