//! What `exec` is to run, from the container's own process, the command line, or a file. Pure but for reading it.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const contexts = @import("context.zig");
const environment = @import("environment.zig");
const exec = @import("exec.zig");

const Text = contexts.Text;

pub const Process = struct {
    spec: contract.Process,
    /// A name, to be looked up in the container.
    user: ?Text = null,
};

/// `of_container` is config.json's process: what is not said otherwise is as there.
pub fn describe(
    arena: std.mem.Allocator,
    of_container: *const contract.Process,
    options: *const exec.Options,
    command: []const Text,
) sys.Error!Process {
    var process: Process = if (options.process) |path|
        .{ .spec = try fromFile(arena, path, of_container) }
    else
        .{ .spec = of_container.* };
    const spec = &process.spec;
    if (options.process == null) {
        if (command.len == 0) return sys.fail("usage", "there is no command: give one after the id, or a file with --process");
        spec.args = command;
        spec.terminal = false;
        spec.consoleSize = null;
    }
    if (options.tty) spec.terminal = true;
    if (options.no_new_privs) spec.noNewPrivileges = true;
    if (options.cwd) |path| spec.cwd = path;
    if (options.apparmor) |name| spec.apparmorProfile = name;
    if (options.process_label) |label| spec.selinuxLabel = label;
    spec.env = environment.with(arena, spec.env, options.env) catch return contexts.outOfMemory();
    if (options.cap.len > 0) spec.capabilities = try withCapabilities(arena, spec.capabilities, options.cap);
    if (options.additional_gids.len > 0) {
        const gids = arena.alloc(u32, options.additional_gids.len) catch return contexts.outOfMemory();
        for (gids, options.additional_gids) |*gid, text| gid.* = try id(text);
        spec.user.additionalGids = concat(u32, arena, spec.user.additionalGids, gids) catch return contexts.outOfMemory();
    }
    if (options.user) |text| process.user = try setUser(spec, text);
    return process;
}

/// Untrusted. What it leaves out and must not be less than the container's is taken from there, as runc does.
fn fromFile(arena: std.mem.Allocator, path: Text, of_container: *const contract.Process) sys.Error!contract.Process {
    return inherit(try contract.parse(contract.Process, arena, path, try contract.readFile(arena, path)), of_container);
}

fn inherit(process: contract.Process, of_container: *const contract.Process) contract.Process {
    var spec = process;
    if (spec.capabilities == null) spec.capabilities = of_container.capabilities;
    if (spec.rlimits.len == 0) spec.rlimits = of_container.rlimits;
    if (spec.apparmorProfile == null) spec.apparmorProfile = of_container.apparmorProfile;
    if (spec.selinuxLabel == null) spec.selinuxLabel = of_container.selinuxLabel;
    if (spec.oomScoreAdj == null) spec.oomScoreAdj = of_container.oomScoreAdj;
    return spec;
}

/// Into every set but the inheritable one, which would pass them on to files that ask for them (CVE-2022-29162).
fn withCapabilities(
    arena: std.mem.Allocator,
    sets: ?contract.Process.Capabilities,
    more: []const Text,
) sys.Error!contract.Process.Capabilities {
    var all = sets orelse contract.Process.Capabilities{};
    const names = arena.alloc([]const u8, more.len) catch return contexts.outOfMemory();
    for (more, names) |text, *name| name.* = text;
    for ([_]*[]const []const u8{ &all.bounding, &all.effective, &all.permitted, &all.ambient }) |set| {
        set.* = concat([]const u8, arena, set.*, names) catch return contexts.outOfMemory();
    }
    return all;
}

/// "1000" and "1000:1000" are taken as they are; the group of a name is looked up with it.
fn setUser(spec: *contract.Process, text: Text) sys.Error!?Text {
    const colon = std.mem.indexOfScalar(u8, text, ':') orelse text.len;
    const uid = std.fmt.parseInt(u32, text[0..colon], 10) catch return text;
    const gid: ?u32 = if (colon < text.len) std.fmt.parseInt(u32, text[colon + 1 ..], 10) catch return text else null;
    spec.user.uid = uid;
    if (gid) |number| spec.user.gid = number;
    return null;
}

fn id(text: Text) sys.Error!u32 {
    return std.fmt.parseInt(u32, text, 10) catch sys.failFormat("usage", "--additional-gids \"{s}\" is no number", .{text});
}

fn concat(comptime T: type, arena: std.mem.Allocator, a: []const T, b: []const T) error{OutOfMemory}![]const T {
    return if (b.len == 0) a else std.mem.concat(arena, T, &.{ a, b });
}

const example: contract.Process = .{
    .cwd = "/",
    .args = &.{"sleep"},
    .env = &.{"PATH=/bin"},
    .user = .{ .uid = 5, .gid = 6 },
    .terminal = true,
    .capabilities = .{ .bounding = &.{"CAP_KILL"} },
};

test "describe() changes what the command line says and nothing else" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const plain = try describe(arena, &example, &.{}, &.{"ls"});
    try std.testing.expectEqualStrings("ls", plain.spec.args[0]);
    try std.testing.expect(!plain.spec.terminal and plain.spec.user.uid == 5);
    const changed = try describe(arena, &example, &.{
        .user = "7:8",
        .env = &.{"A=b"},
        .cap = &.{"CAP_CHOWN"},
        .additional_gids = &.{"9"},
        .tty = true,
        .cwd = "/tmp",
    }, &.{"ls"});
    try std.testing.expectEqual(@as(u32, 7), changed.spec.user.uid);
    try std.testing.expectEqual(@as(u32, 8), changed.spec.user.gid);
    try std.testing.expectEqualStrings("A=b", changed.spec.env[1]);
    try std.testing.expectEqual(@as(usize, 2), changed.spec.capabilities.?.bounding.len);
    try std.testing.expectEqual(@as(usize, 0), changed.spec.capabilities.?.inheritable.len);
    try std.testing.expectEqual(@as(u32, 9), changed.spec.user.additionalGids[0]);
    try std.testing.expectEqualStrings("app", (try describe(arena, &example, &.{ .user = "app" }, &.{"ls"})).user.?);
    try std.testing.expectError(error.Syscall, describe(arena, &example, &.{}, &.{}));
}

test "fuzz: no --process file crashes, or has more than the container" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [1024]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            const text = buffer[0..smith.slice(&buffer)];
            const parsed = contract.parse(contract.Process, arena_state.allocator(), "f", text) catch return;
            const process = inherit(parsed, &example);
            try std.testing.expect(process.capabilities != null);
        }
    }.one, .{ .corpus = &.{"{\"args\":[\"sh\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},\"terminal\":true}"} });
}
