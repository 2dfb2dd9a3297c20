//! The end of a container: what it leaves is removed, then its poststop hooks run, whose failure is only a warning.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const cgroups = @import("../cgroup/cgroup.zig");
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
    linux: struct { seccomp: ?contract.Seccomp = null } = .{},
};

/// The hooks of a container that was recorded; they were checked when it was made.
pub fn hooksOf(
    context: *const contexts.Context,
    config: *const Config,
    id: []const u8,
    bundle: []const u8,
) sys.Error!?hooks.Set {
    return hooks.Set.prepare(context.arena, &config.hooks, .{
        .ociVersion = config.ociVersion,
        .id = id,
        .bundle = bundle,
        .annotations = config.annotations,
    }, .{ .runtime = context.environ });
}

pub const Leftover = struct {
    /// Where hooks run.
    bundle: contexts.Text,
    hooks: ?*const hooks.Set,
    group: cgroups.Cgroup = .{},
};

/// Its first process has ended. What else runs in its cgroup is killed; when that fails, nothing is removed.
pub fn destroy(context: *const contexts.Context, entry: *const store.Entry, leftover: Leftover) sys.Error!void {
    try leftover.group.destroy();
    remove(context, entry, leftover);
}

/// The same of one that failed: why is what counts.
pub fn destroyQuietly(context: *const contexts.Context, entry: *const store.Entry, leftover: Leftover) void {
    const before = keep(context.arena, sys.failure);
    leftover.group.destroy() catch {};
    remove(context, entry, leftover);
    sys.failure = before;
}

/// Nothing of it runs any more.
pub fn remove(context: *const contexts.Context, entry: *const store.Entry, leftover: Leftover) void {
    entry.remove();
    const set = leftover.hooks orelse return;
    if (!set.has(.poststop)) return;
    const before = keep(context.arena, sys.failure);
    _ = linux.chdir(leftover.bundle); // where the others ran
    set.runEach(.poststop, "stopped", context, warn);
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
