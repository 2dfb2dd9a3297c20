//! The environment that Bun is started with: the user's own, less what would change how Bun runs.
//!
//! Variables that configure Bun, its JavaScript engine or its allocator are renamed, not dropped, so that the program
//! can still give its children what the user has set: src/helper/environment.ts undoes it.
const std = @import("std");
const snapshot = @import("snapshot/format.zig");
const linux = std.os.linux;

pub const Environment = [*:null]const ?[*:0]const u8;

const hidden_prefix = "TSPOD_HIDDEN_";
const executable_name = "TSPOD_EXECUTABLE";

/// NODE_EXTRA_CA_CERTS stays: a registry's certificate authority is the user's business, not Bun's.
const hidden = [_][]const u8{ "BUN_", "NODE_", "JSC_", "MIMALLOC_", "UV_", "ICU_" };
const kept = [_][]const u8{"NODE_EXTRA_CA_CERTS="};
/// Ours, from a tspod that started this one.
const own = [_][]const u8{
    hidden_prefix,
    executable_name ++ "=",
    snapshot.resume_variable ++ "=",
    snapshot.take_variable ++ "=",
};

/// Commands that are over before a just-in-time compiler pays: without one Bun starts in a third less (no threads for it,
/// no memory set aside), and a list of a thousand containers takes a quarter less processor time. Whatever moves or counts
/// much data is not among them.
const short = [_][]const u8{
    "run",    "create", "start",   "stop",    "restart", "kill",   "wait",    "rm",         "exec", "attach", "pause",  "unpause",
    "rename", "update", "inspect", "port",    "logs",    "exists", "top",     "ps",         "ls",   "list",   "images", "rmi",
    "tag",    "untag",  "history", "version", "volume",  "secret", "network", "__complete",
};
const without_jit = "BUN_JSC_useJIT=0";

pub fn isShort(argv: []const [*:0]const u8) bool {
    if (argv.len < 2) return true; // help
    const noun = std.mem.span(argv[1]);
    const has_verb = std.mem.eql(u8, noun, "container") or std.mem.eql(u8, noun, "image");
    const word = if (argv.len > 2 and has_verb) std.mem.span(argv[2]) else noun;
    for (short) |each| if (std.mem.eql(u8, each, word)) return true;
    return false;
}

/// The value of a variable, or null when it is not set.
pub fn get(environ: Environment, name: []const u8) ?[:0]const u8 {
    var i: usize = 0;
    while (environ[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        if (text.len > name.len and text[name.len] == '=' and std.mem.startsWith(u8, text, name)) {
            return text[name.len + 1 ..];
        }
    }
    return null;
}

pub const Copy = struct {
    environ: Environment,
    /// Room for one more, at the end.
    spare: *?[*:0]const u8,
};

/// A copy for Bun. `executable` is the file the user started, which Bun cannot find out itself.
pub fn forBun(
    arena: std.mem.Allocator,
    environ: Environment,
    argv: []const [*:0]const u8,
    executable: []const u8,
) error{OutOfMemory}!Copy {
    var count: usize = 0;
    while (environ[count] != null) count += 1;
    var copy: std.ArrayList(?[*:0]const u8) = try .initCapacity(arena, count + 4);
    for (environ[0..count]) |entry| {
        const text = std.mem.span(entry.?);
        if (startsWithAny(text, &own)) continue;
        copy.appendAssumeCapacity(if (startsWithAny(text, &hidden) and !startsWithAny(text, &kept))
            (try std.mem.concatWithSentinel(arena, u8, &.{ hidden_prefix, text }, 0)).ptr
        else
            text);
    }
    copy.appendAssumeCapacity((try std.mem.concatWithSentinel(arena, u8, &.{ executable_name, "=", executable }, 0)).ptr);
    if (isShort(argv)) copy.appendAssumeCapacity(without_jit);
    copy.appendNTimesAssumeCapacity(null, 2);
    return .{ .environ = @ptrCast(copy.items.ptr), .spare = &copy.items[copy.items.len - 2] };
}

fn startsWithAny(text: []const u8, prefixes: []const []const u8) bool {
    for (prefixes) |prefix| if (std.mem.startsWith(u8, text, prefix)) return true;
    return false;
}

test "forBun() hides what configures Bun and keeps the rest in order" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const environ = [_:null]?[*:0]const u8{
        "A=1",                "BUN_OPTIONS=x",         "NODE_EXTRA_CA_CERTS=/ca", "NODE_OPTIONS=y",
        "TSPOD_EXECUTABLE=/", "TSPOD_HIDDEN_BUN_OLD=", "NOT_BUN_=z",
    };
    const copy = (try forBun(arena.allocator(), &environ, &.{ "tspod", "pull" }, "/usr/bin/tspod")).environ;
    const expected = [_][]const u8{
        "A=1",                         "TSPOD_HIDDEN_BUN_OPTIONS=x", "NODE_EXTRA_CA_CERTS=/ca",
        "TSPOD_HIDDEN_NODE_OPTIONS=y", "NOT_BUN_=z",                 "TSPOD_EXECUTABLE=/usr/bin/tspod",
    };
    for (expected, 0..) |text, i| try std.testing.expectEqualStrings(text, std.mem.span(copy[i].?));
    try std.testing.expectEqual(null, copy[expected.len]);
    try std.testing.expectEqualStrings("1", get(&environ, "A").?);
    try std.testing.expectEqual(null, get(&environ, "BUN"));
}

test "forBun() of short commands switches the compiler off, whatever the user says of it" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const environ = [_:null]?[*:0]const u8{"BUN_JSC_useJIT=1"};
    for ([_][]const [*:0]const u8{ &.{"tspod"}, &.{ "tspod", "exec", "pull" }, &.{ "tspod", "container", "stop" } }) |argv| {
        const copy = (try forBun(arena.allocator(), &environ, argv, "/x")).environ;
        try std.testing.expectEqualStrings("0", get(copy, "BUN_JSC_useJIT").?);
        try std.testing.expectEqualStrings("1", get(copy, "TSPOD_HIDDEN_BUN_JSC_useJIT").?);
    }
    for ([_][]const [*:0]const u8{ &.{ "tspod", "pull" }, &.{ "tspod", "image", "import" } }) |argv| {
        const copy = (try forBun(arena.allocator(), &environ, argv, "/x")).environ;
        try std.testing.expectEqual(null, get(copy, "BUN_JSC_useJIT"));
    }
}
