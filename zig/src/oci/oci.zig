//! `tspod oci VERB ...`, and the same as `tspod-oci VERB ...`: an OCI runtime as engines call it. Global options, the
//! table of verbs, and how errors are told.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const report = @import("failure.zig");
const roots = @import("root.zig");
const linux = sys.linux;

const Text = contexts.Text;
const Context = contexts.Context;

const Verb = struct {
    name: []const u8,
    run: *const fn (*const Context, []const contexts.Argument) sys.Error!u8,
    /// The status of a command that failed: one that hands on a program's own fails with one that few programs have.
    exit_failed: u8 = exit_failed,
};

const verbs = [_]Verb{
    .{ .name = "create", .run = @import("create.zig").run },
    .{ .name = "start", .run = @import("start.zig").run },
    .{ .name = "state", .run = @import("show.zig").run },
    .{ .name = "kill", .run = @import("kill.zig").run },
    .{ .name = "delete", .run = @import("delete.zig").run },
    .{ .name = "run", .run = @import("run.zig").run },
    .{ .name = "exec", .run = @import("exec.zig").run, .exit_failed = 255 },
    .{ .name = "pause", .run = @import("pausing.zig").pause },
    .{ .name = "resume", .run = @import("pausing.zig").@"resume" },
    .{ .name = "ps", .run = @import("ps.zig").run },
    .{ .name = "update", .run = @import("update.zig").run },
    .{ .name = "events", .run = @import("events.zig").run },
    .{ .name = "list", .run = @import("list.zig").run },
    .{ .name = "features", .run = @import("features.zig").run },
    .{ .name = "spec", .run = @import("spec.zig").run },
};

const Options = struct {
    root: ?Text = null,
    log: ?Text = null,
    log_format: ?Text = null,
    systemd_cgroup: bool = false,
    cgroup_manager: ?Text = null,
    rootless: ?Text = null,
    debug: bool = false,
    help: bool = false,
    version: bool = false,
    pub const names = .{ .{ "h", "help" }, .{ "v", "version" } };
};

const exit_failed = 1;

pub fn run(arguments: []const contexts.Argument, environ: contexts.Environment) u8 {
    event.descriptor = -1; // nobody listens there: descriptor 3 may be anything
    ensureStandardStreams();
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    var log: report.Log = .{};
    return runIn(arena_state.allocator(), arguments, environ, &log) catch {
        log.tell(arena_state.allocator());
        return exit_failed;
    };
}

fn runIn(
    arena: std.mem.Allocator,
    arguments: []const contexts.Argument,
    environ: contexts.Environment,
    log: *report.Log,
) sys.Error!u8 {
    const parsed = try args.parse(Options, arena, arguments, .first);
    const options = &parsed.options;
    log.path = if (options.log) |path| try contexts.absolute(arena, path) else null;
    log.format = try report.parseFormat(options.log_format);
    if (options.version) return @import("version.zig").print();
    if (options.help or parsed.words.len == 0) return @import("help.zig").print();
    const verb = find(parsed.words[0]) orelse
        return sys.failFormat("usage", "unknown command \"{s}\": tspod oci --help lists them", .{parsed.words[0]});
    const rest = arguments[arguments.len - parsed.words.len + 1 ..];
    if (rest.len > 0 and isHelp(std.mem.span(rest[0]))) return @import("help.zig").print();
    const context: Context = .{
        .arena = arena,
        .environ = environ,
        .root = try roots.choose(arena, environ, options.root),
        .cgroup_manager = try managerOf(options),
        .log = log,
    };
    return verb.run(&context, rest) catch {
        log.tell(arena);
        return verb.exit_failed;
    };
}

fn isHelp(word: []const u8) bool {
    return std.mem.eql(u8, word, "--help") or std.mem.eql(u8, word, "-h");
}

fn find(name: []const u8) ?*const Verb {
    for (&verbs) |*verb| if (std.mem.eql(u8, verb.name, name)) return verb;
    return null;
}

fn managerOf(options: *const Options) sys.Error!contexts.CgroupManager {
    if (options.systemd_cgroup) return .systemd;
    const name = options.cgroup_manager orelse return .cgroupfs;
    if (std.mem.eql(u8, name, "disabled")) return .none; // as crun calls it
    return std.meta.stringToEnum(contexts.CgroupManager, name) orelse
        sys.failFormat("usage", "unknown cgroup manager \"{s}\": use systemd, cgroupfs or disabled", .{name});
}

/// Descriptors we open must not become a standard stream by accident.
fn ensureStandardStreams() void {
    while (true) {
        const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR }, 0);
        if (linux.errno(rc) != .SUCCESS) return;
        if (rc <= 2) continue;
        _ = linux.close(@intCast(rc));
        return;
    }
}

test {
    _ = args;
    _ = @import("store.zig");
    _ = @import("state.zig");
    _ = @import("sentence.zig");
    _ = @import("signals.zig");
    _ = @import("process.zig");
    _ = @import("spec.zig");
    _ = report;
    _ = roots;
}
