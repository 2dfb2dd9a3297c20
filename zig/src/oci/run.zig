//! `run ID`: create and start in one. In the foreground its status becomes ours, signals sent to us go to it, and it
//! is deleted at its end.
const std = @import("std");
const sys = @import("../sys.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const foreground = @import("foreground.zig");
const making = @import("making.zig");
const removal = @import("removal.zig");
const starting = @import("start.zig");
const words = @import("words.zig");

const Text = contexts.Text;

const Options = struct {
    bundle: ?Text = null,
    config: ?Text = null,
    pid_file: ?Text = null,
    console_socket: ?Text = null,
    preserve_fds: ?u64 = null,
    no_pivot: bool = false,
    no_new_keyring: bool = false,
    no_subreaper: bool = false,
    detach: bool = false,
    keep: bool = false,
    pub const names = making.Options.names ++ .{.{ "d", "detach" }};

    fn ofMaking(options: *const Options) making.Options {
        var shared: making.Options = .{};
        inline for (comptime std.meta.fieldNames(making.Options)) |name| @field(shared, name) = @field(options, name);
        return shared;
    }
};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const options = &parsed.options;
    if (!options.detach) foreground.blockSignals();
    const made = try making.make(context, .{
        .id = try words.one(parsed.words, "run [OPTION]... ID"),
        .options = options.ofMaking(),
        .waits = false,
        .stays = !options.detach,
    });
    const leftover: removal.Leftover = .{ .bundle = ".", .hooks = made.hooks, .group = made.running.cgroup };
    if (made.hooks) |set| starting.runPoststart(set, ".", made.running.pid, made.running.pidfd) catch |err| {
        _ = sys.waitExitFd(made.running.pidfd) catch {};
        removal.destroyQuietly(context, &made.entry, leftover);
        return err;
    };
    if (options.detach) return 0;
    const relayed = if (options.console_socket == null) made.running.terminal else null;
    const status = try foreground.watch(made.running.pidfd, relayed);
    if (!options.keep) try removal.destroy(context, &made.entry, leftover);
    return status;
}
