//! The end of a container: what it leaves is removed, then its poststop hooks run, whose failure is only a warning.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const hooks = @import("../process/hooks.zig");
const contexts = @import("context.zig");
const sentence = @import("sentence.zig");
const store = @import("store.zig");
const linux = sys.linux;

/// As much of config.json as hooks are told.
pub const Config = struct {
    ociVersion: []const u8 = "",
    hooks: contract.Hooks = .{},
    annotations: contract.Map([:0]const u8) = .{},
};

/// The hooks of a container that was recorded; they were checked when it was made.
pub fn hooksOf(arena: std.mem.Allocator, config: *const Config, id: []const u8, bundle: []const u8) sys.Error!?hooks.Set {
    return hooks.Set.prepare(arena, &config.hooks, .{
        .ociVersion = config.ociVersion,
        .id = id,
        .bundle = bundle,
        .annotations = config.annotations,
    });
}

/// Nothing of it runs any more.
pub fn remove(context: *const contexts.Context, entry: *const store.Entry, bundle: contexts.Text, set: ?*const hooks.Set) void {
    entry.remove();
    const all = set orelse return;
    if (!all.has(.poststop)) return;
    const before = keep(context.arena, sys.failure);
    _ = linux.chdir(bundle); // where the others ran
    all.runEach(.poststop, "stopped", context, warn);
    sys.failure = before;
}

/// Why it ends is not forgotten over what comes after.
fn keep(arena: std.mem.Allocator, failure: ?sys.Failure) ?sys.Failure {
    var kept = failure orelse return null;
    kept.detail = arena.dupe(u8, kept.detail) catch "out of memory";
    return kept;
}

fn warn(context: *const contexts.Context) void {
    var text: std.Io.Writer.Allocating = .init(context.arena);
    sentence.write(&text.writer, sys.failure.?) catch {};
    context.log.say(context.arena, .warning, text.written());
}
