//! The directory of a container, `<root>/<id>`: claimed by whoever creates it, found by everybody after.
//!
//! Theory of operation. While a container is made or deleted its directory is locked (flock(2), which ends with the
//! process), and what is known of it is in `creating.json`; renaming that to `state.json` makes it a container. So
//! whoever has the lock of a directory without a state has the id: nobody else is making it, or its maker died. Nothing
//! else cleans up.
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

const Text = contexts.Text;
const private_mode = 0o700;
const lock_exclusive = 2; // LOCK_EX
const lock_try = 4; // LOCK_NB

pub const state_name = "state.json";
pub const creating_name = "creating.json";
pub const socket_name = "start.sock";
const names = [_][:0]const u8{ state_name, creating_name, socket_name };

pub const Entry = struct {
    path: Text,
    directory: linux.fd_t,

    /// What we know is complete: from now on it is a container.
    pub fn publish(entry: *const Entry) sys.Error!void {
        const rc = linux.renameat(entry.directory, creating_name, entry.directory, state_name);
        _ = try sys.check("rename", entry.path, rc);
    }

    pub fn remove(entry: *const Entry) void {
        for (names) |name| _ = linux.unlinkat(entry.directory, name, 0);
        _ = linux.rmdir(entry.path);
    }

    pub fn close(entry: *const Entry) void {
        _ = linux.close(entry.directory);
    }
};

/// Make the directory of a new container and lock it.
pub fn claim(arena: std.mem.Allocator, root: Text, id: Text) sys.Error!Entry {
    const path = try pathOf(arena, root, id);
    var rc = linux.mkdir(path, private_mode);
    if (linux.errno(rc) == .NOENT) {
        try makeParents(arena, root);
        rc = linux.mkdir(path, private_mode);
    }
    if (linux.errno(rc) != .EXIST) _ = try sys.check("mkdir", path, rc);
    return take(path, id);
}

/// The lock decides, not who made the directory: somebody else may have been quicker with it, and have made a container
/// since.
fn take(path: Text, id: Text) sys.Error!Entry {
    const opened = linux.open(path, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(opened) == .NOENT) return exists(id); // somebody deletes it at this very moment
    const entry: Entry = .{ .path = path, .directory = try sys.checkFd("open", path, opened) };
    errdefer entry.close();
    if (linux.errno(linux.flock(entry.directory, lock_exclusive | lock_try)) != .SUCCESS) return exists(id);
    if (!isStillThere(&entry) or has(&entry, state_name)) return exists(id);
    for (names) |name| _ = linux.unlinkat(entry.directory, name, 0); // of a maker that died
    return entry;
}

fn exists(id: Text) sys.Error {
    return sys.failFormat("create", "container with given ID already exists: \"{s}\": delete it first, or choose another", .{id});
}

/// The directory of a container that somebody has made.
pub fn open(arena: std.mem.Allocator, root: Text, id: Text) sys.Error!Entry {
    const path = try pathOf(arena, root, id);
    const rc = linux.open(path, .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .NOENT) return missing(id);
    return .{ .path = path, .directory = try sys.checkFd("open", path, rc) };
}

pub fn missing(id: []const u8) sys.Error {
    return sys.failFormat("container", "container does not exist: \"{s}\"", .{id});
}

/// Wait until nobody makes or deletes it. False: it is gone by then.
pub fn lock(entry: *const Entry) bool {
    while (linux.errno(linux.flock(entry.directory, lock_exclusive)) == .INTR) {}
    return isStillThere(entry);
}

fn isStillThere(entry: *const Entry) bool {
    var ours: linux.Statx = undefined;
    var theirs: linux.Statx = undefined;
    if (linux.errno(sys.statFd(entry.directory, &ours)) != .SUCCESS) return false;
    const rc = linux.statx(linux.AT.FDCWD, entry.path, 0, linux.STATX.BASIC_STATS, &theirs);
    return linux.errno(rc) == .SUCCESS and ours.ino == theirs.ino and ours.dev_minor == theirs.dev_minor and
        ours.dev_major == theirs.dev_major;
}

fn has(entry: *const Entry, name: [:0]const u8) bool {
    return linux.errno(linux.faccessat(entry.directory, name, linux.F_OK, 0)) == .SUCCESS;
}

fn pathOf(arena: std.mem.Allocator, root: Text, id: Text) sys.Error!Text {
    try expectId(id);
    return std.fs.path.joinZ(arena, &.{ root, id }) catch contexts.outOfMemory();
}

/// As runc has it: letters, digits and "_+-.", and no name of a directory that is there anyway.
pub fn expectId(id: []const u8) sys.Error!void {
    if (id.len == 0) return sys.fail("usage", "the container's id is empty");
    if (id.len > linux.NAME_MAX) return sys.failFormat("usage", "a container's id has at most {d} bytes", .{linux.NAME_MAX});
    const is_directory = std.mem.eql(u8, id, ".") or std.mem.eql(u8, id, "..");
    for (id) |byte| switch (byte) {
        'a'...'z', 'A'...'Z', '0'...'9', '_', '+', '-', '.' => {},
        else => return invalid(id),
    };
    if (is_directory) return invalid(id);
}

fn invalid(id: []const u8) sys.Error {
    return sys.failFormat("usage", "invalid container ID format: \"{s}\": use letters, digits and \"_+-.\"", .{id});
}

fn makeParents(arena: std.mem.Allocator, root: Text) sys.Error!void {
    const rc = linux.mkdir(root, private_mode);
    switch (linux.errno(rc)) {
        .NOENT => {
            const parent = std.fs.path.dirname(root) orelse "/";
            try makeParents(arena, arena.dupeZ(u8, parent) catch return contexts.outOfMemory());
            _ = try sys.check("mkdir", root, linux.mkdir(root, private_mode));
        },
        .EXIST => {},
        else => _ = try sys.check("mkdir", root, rc),
    }
}

test "expectId() takes what is one harmless file name" {
    for ([_][]const u8{ "a", "A.b_c-d+e", "0", "...", "x" ** 255 }) |good| try expectId(good);
    const bad = [_][]const u8{ "", ".", "..", "a/b", "/", "a b", "a\x00", "\xc3\xa4", "a:b", "x" ** 256, "../../etc" };
    for (bad) |id| try std.testing.expectError(error.Syscall, expectId(id));
}

test "claim(): one owner an id; what a dead maker left is taken over" {
    const io = std.testing.io;
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    const root = try std.fmt.allocPrintSentinel(arena, "/proc/self/fd/{d}/new/root", .{tmp.dir.handle}, 0);
    const first = try claim(arena, root, "c");
    try std.testing.expectError(error.Syscall, claim(arena, root, "c")); // locked
    try tmp.dir.writeFile(io, .{ .sub_path = "new/root/c/creating.json", .data = "{" });
    first.close(); // it died
    const second = try claim(arena, root, "c");
    try std.testing.expectError(error.FileNotFound, tmp.dir.access(io, "new/root/c/creating.json", .{}));
    try tmp.dir.writeFile(io, .{ .sub_path = "new/root/c/creating.json", .data = "{}" });
    try second.publish();
    second.close();
    try std.testing.expectError(error.Syscall, claim(arena, root, "c")); // a container
    try std.testing.expectError(error.Syscall, take(second.path, "c")); // also for whoever made its directory
    try tmp.dir.access(io, "new/root/c/state.json", .{});
    try std.testing.expectError(error.Syscall, open(arena, root, "d"));
    const third = try open(arena, root, "c");
    try std.testing.expect(lock(&third));
    third.remove();
    try std.testing.expect(!lock(&third));
    third.close();
}
