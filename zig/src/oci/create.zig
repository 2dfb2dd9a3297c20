//! `create ID`: the container is made and waits for `start`.
const sys = @import("../sys.zig");
const args = @import("args.zig");
const contexts = @import("context.zig");
const making = @import("making.zig");
const words = @import("words.zig");

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(making.Options, context.arena, arguments, .anywhere);
    const id = try words.one(parsed.words, "create [OPTION]... ID");
    _ = try making.make(context, .{ .id = id, .options = parsed.options, .waits = true });
    return 0;
}
