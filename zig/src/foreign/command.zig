//! The command line of an OCI runtime, as podman and containerd call it, and one call of it: the words, the process, its
//! end. What it says goes into a log of its own, never to the container's streams.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const descriptors = @import("../process/descriptors.zig");
const ourselves = @import("../process/ourselves.zig");
const programs = @import("../process/program.zig");
const worlds = @import("world.zig");
const linux = sys.linux;

/// Files beside the bundle. All names are relative to it: a socket's path may not be long, and where somebody has deleted
/// the directory that the tmpfs lies on (the container is removed while it starts), nothing may be made in its place.
pub const Files = struct {
    config: [:0]const u8,
    log: [:0]const u8,
    pid: [:0]const u8,
    console: [:0]const u8,

    pub const of_container: Files = .{ .config = "config.json", .log = "log", .pid = "pid", .console = "console" };

    /// Of an exec: several may be under way.
    pub fn numbered(arena: std.mem.Allocator, number: linux.pid_t) error{OutOfMemory}!Files {
        var files: Files = undefined;
        inline for (std.meta.fields(Files)) |field| {
            @field(files, field.name) = try std.fmt.allocPrintSentinel(arena, "exec-{d}-{s}", .{ number, field.name }, 0);
        }
        return files;
    }

    pub fn remove(files: *const Files) void {
        inline for (std.meta.fields(Files)) |field| _ = linux.unlink(@field(files, field.name));
    }
};

pub const Call = struct {
    runtime: [:0]const u8,
    files: *const Files,
    id: [:0]const u8,
    terminal: bool,
    /// How many descriptors are passed on.
    passed: ?[:0]const u8 = null,

    pub fn create(call: *const Call) Words {
        var words = call.begin("create");
        words.add(&.{ "--bundle", ".", "--pid-file", call.files.pid });
        call.addDescriptors(&words);
        return call.end(words);
    }

    pub fn start(call: *const Call) Words {
        return call.end(call.begin("start"));
    }

    pub fn exec(call: *const Call) Words {
        var words = call.begin("exec");
        words.add(&.{ "--detach", "--process", call.files.config, "--pid-file", call.files.pid });
        call.addDescriptors(&words);
        return call.end(words);
    }

    fn addDescriptors(call: *const Call, words: *Words) void {
        if (call.terminal) words.add(&.{ "--console-socket", call.files.console });
        if (call.passed) |count| words.add(&.{ "--preserve-fds", count });
    }

    fn begin(call: *const Call, verb: [:0]const u8) Words {
        var words: Words = .{};
        words.add(&.{ call.runtime, "--root", "state", "--log", call.files.log, "--log-format", "json", verb });
        return words;
    }

    fn end(call: *const Call, words: Words) Words {
        var all = words;
        all.add(&.{call.id});
        return all;
    }
};

/// An argument vector: the longest command line above fits.
pub const Words = struct {
    list: [words_max:null]?[*:0]const u8 = @splat(null),
    count: usize = 0,

    const words_max = 20;

    fn add(words: *Words, more: []const [:0]const u8) void {
        for (more) |word| {
            words.list[words.count] = word.ptr;
            words.count += 1;
        }
    }
};

/// Where a runtime waits until it has been put into the container's cgroup.
pub const Gate = struct {
    /// The reading end of a pipe: a byte comes.
    pipe: linux.fd_t,
    /// That group is then the top of what it and its children see.
    shows_own_group: bool,
};

/// What it hands to the container's program. Without streams they are ours.
pub const Inherited = struct { streams: ?child.Streams, passed: descriptors.Passed };

/// Start it. It dies with us.
pub fn spawn(words: *const Words, inherited: Inherited, gate: ?Gate) sys.Error!linux.pid_t {
    const runtime = std.mem.span(words.list[0].?);
    _ = try sys.check("runtime", runtime, linux.faccessat(linux.AT.FDCWD, runtime, linux.X_OK, 0));
    const pid = try sys.check("fork", runtime, linux.fork());
    if (pid == 0) {
        execute(words, inherited, gate) catch {};
        linux.exit_group(exit_not_executed);
    }
    return @intCast(pid);
}

pub const exit_not_executed = 126;

fn execute(words: *const Words, inherited: Inherited, gate: ?Gate) sys.Error!void {
    child.defaultSignals();
    try programs.dieWithParent();
    if (gate) |g| {
        var byte: [1]u8 = undefined;
        if (linux.read(g.pipe, &byte, 1) != 1) return;
        if (g.shows_own_group) try worlds.enterGroup();
    }
    if (inherited.streams) |s| try child.takeStreams(s);
    sys.closeOnExecFrom(3);
    try inherited.passed.release();
    var envp: [kept_variables.len + 1:null]?[*:0]const u8 = @splat(null);
    fillEnvironment(&envp);
    _ = try sys.check("execve", "", linux.execve(words.list[0].?, &words.list, &envp));
}

/// What a runtime may need to find files of its own (a development build of ours does). The container sees none of it.
const kept_variables = [_][]const u8{ "HOME=", "XDG_CACHE_HOME=" };

fn fillEnvironment(envp: [:null]?[*:0]const u8) void {
    envp[0] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    var count: usize = 1;
    var i: usize = 0;
    while (ourselves.environ[i]) |variable| : (i += 1) {
        for (kept_variables) |name| if (std.mem.startsWith(u8, std.mem.span(variable), name) and count < envp.len) {
            envp[count] = variable;
            count += 1;
        };
    }
}

test "create and exec are spelled as podman spells them" {
    const call: Call = .{
        .runtime = "/bin/crun",
        .files = &.of_container,
        .id = "x",
        .terminal = true,
    };
    var text: [256]u8 = undefined;
    try std.testing.expectEqualStrings(
        "/bin/crun --root state --log log --log-format json create --bundle . --pid-file pid --console-socket console x",
        joined(&call.create(), &text),
    );
    try std.testing.expectEqualStrings(
        "/bin/crun --root state --log log --log-format json exec --detach --process config.json --pid-file pid " ++
            "--console-socket console x",
        joined(&call.exec(), &text),
    );
}

fn joined(words: *const Words, buffer: []u8) []const u8 {
    var w: std.Io.Writer = .fixed(buffer);
    for (words.list[0..words.count], 0..) |word, i| {
        w.print("{s}{s}", .{ if (i == 0) "" else " ", word.? }) catch unreachable;
    }
    return w.buffered();
}
