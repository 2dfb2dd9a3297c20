//! `create ID`: the container is made and waits for `start`.
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const args = @import("args.zig");
const making = @import("making.zig");
const words = @import("words.zig");
const linux = sys.linux;

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
    pub const names = .{ .{ "b", "bundle" }, .{ "f", "config" } };
};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    const o = parsed.options;
    _ = try making.make(context, .{
        .id = try words.one(parsed.words, "create [OPTION]... ID"),
        .options = .{
            .bundle = o.bundle,
            .config = o.config,
            .pid_file = o.pid_file,
            .console_socket = o.console_socket,
            .preserve_fds = o.preserve_fds,
            .no_pivot = o.no_pivot,
            .no_new_keyring = o.no_new_keyring,
            .no_subreaper = o.no_subreaper,
        },
        .waits = true,
    });
    return 0;
}
