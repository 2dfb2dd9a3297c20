//! Where the cgroup2 hierarchy is mounted and which group of it is ours. On a pure host that is /sys/fs/cgroup, on a
//! hybrid one /sys/fs/cgroup/unified. The parsers are pure and take any text (cgroups(7), proc_pid_mountinfo(5)).
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

pub const magic = 0x63677270; // CGROUP2_SUPER_MAGIC
const usual: [:0]const u8 = "/sys/fs/cgroup";

pub const Hierarchy = struct {
    /// Where it is mounted, as far as we see it.
    top: [:0]const u8,
    /// The directory of the calling process's group.
    own: [:0]const u8,
};

/// Null: cgroup v2 is not mounted here, or our group is outside of what is mounted.
pub fn find(arena: std.mem.Allocator) ?Hierarchy {
    const own = groupOf(arena, null) orelse return null;
    if (isHierarchy(usual)) {
        const path = join(arena, usual, own) orelse return null;
        if (isHierarchy(path)) return .{ .top = usual, .own = path };
    }
    const text = contract.readFile(arena, "/proc/self/mountinfo") catch return null;
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| {
        const mount = parseMount(arena, line) orelse continue;
        const below = inside(mount.root, own) orelse continue;
        const path = join(arena, mount.point, below) orelse continue;
        if (isHierarchy(path)) return .{ .top = mount.point, .own = path };
    }
    return null;
}

/// The group of a process (null: our own), from the top of the hierarchy: "/a/b".
pub fn groupOf(arena: std.mem.Allocator, pid: ?linux.pid_t) ?[]const u8 {
    var name: [32]u8 = undefined;
    const path = if (pid) |number|
        std.fmt.bufPrintZ(&name, "/proc/{d}/cgroup", .{number}) catch unreachable
    else
        "/proc/self/cgroup";
    return parseOwn(contract.readFile(arena, path) catch return null);
}

/// The path of the line "0::PATH". Null: there is none, the group is gone, or outside of our namespace's root.
fn parseOwn(text: []const u8) ?[]const u8 {
    var lines = std.mem.splitScalar(u8, text, '\n');
    while (lines.next()) |line| {
        if (!std.mem.startsWith(u8, line, "0::/")) continue;
        const path = line["0::".len..];
        if (std.mem.startsWith(u8, path, "/..") or std.mem.endsWith(u8, path, " (deleted)")) return null;
        return path;
    }
    return null;
}

const Mount = struct { root: []const u8, point: [:0]const u8 };

/// A line of mountinfo, when it is of a cgroup2.
fn parseMount(arena: std.mem.Allocator, line: []const u8) ?Mount {
    const dash = std.mem.indexOf(u8, line, " - ") orelse return null;
    if (!std.mem.startsWith(u8, line[dash + " - ".len ..], "cgroup2 ")) return null;
    var fields = std.mem.splitScalar(u8, line[0..dash], ' ');
    for (0..3) |_| _ = fields.next() orelse return null; // ids and device
    const root = fields.next() orelse return null;
    const point = fields.next() orelse return null;
    return .{ .root = unescape(arena, root) orelse return null, .point = unescape(arena, point) orelse return null };
}

/// "\040" is a space, and so on for what would end a field.
fn unescape(arena: std.mem.Allocator, text: []const u8) ?[:0]const u8 {
    const out = arena.allocSentinel(u8, text.len, 0) catch return null;
    var used: usize = 0;
    var at: usize = 0;
    while (at < text.len) : (at += 1) {
        if (text[at] == '\\') {
            if (at + 3 >= text.len) return null;
            out[used] = std.fmt.parseInt(u8, text[at + 1 ..][0..3], 8) catch return null;
            at += 3;
        } else out[used] = text[at];
        used += 1;
    }
    out[used] = 0;
    return out[0..used :0];
}

/// `path` as it is seen below `root`.
fn inside(root: []const u8, path: []const u8) ?[]const u8 {
    if (std.mem.eql(u8, root, "/")) return path;
    if (!std.mem.startsWith(u8, path, root)) return null;
    const rest = path[root.len..];
    return if (rest.len == 0 or rest[0] == '/') rest else null;
}

pub fn join(arena: std.mem.Allocator, directory: []const u8, path: []const u8) ?[:0]const u8 {
    return std.fs.path.joinZ(arena, &.{ directory, path }) catch null;
}

pub fn isHierarchy(path: [:0]const u8) bool {
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const rc = linux.open(path, flags, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    defer _ = linux.close(@intCast(rc));
    return sys.fileSystemType(@intCast(rc)) == magic;
}

test "parseOwn() finds the line of cgroup v2 among those of v1" {
    try std.testing.expectEqualStrings("/a b/c", parseOwn("4:memory:/x\n1:name=systemd:/\n0::/a b/c\n").?);
    try std.testing.expectEqualStrings("/", parseOwn("0::/\n").?);
    for ([_][]const u8{ "", "0::", "4:memory:/x\n", "0::/../x\n", "0::/x (deleted)\n" }) |text| {
        try std.testing.expectEqual(null, parseOwn(text));
    }
}

test "parseMount() reads pure, hybrid and namespaced mounts" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const hybrid = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate";
    try std.testing.expectEqualStrings("/sys/fs/cgroup/unified", parseMount(arena, hybrid).?.point);
    const part = parseMount(arena, "1 2 0:3 /docker/1f /mnt/a\\040b rw - cgroup2 none rw").?;
    try std.testing.expectEqualStrings("/docker/1f", part.root);
    try std.testing.expectEqualStrings("/mnt/a b", part.point);
    const bad = [_][]const u8{
        "",                                      "1 2 0:3 / /x rw - cgroup cgroup rw,memory", "1 2 - cgroup2 x y",
        "1 2 0:3 / /x\\04 rw - cgroup2 none rw", "1 2 0:3 / /x\\999 rw - cgroup2 none rw",
    };
    for (bad) |line| try std.testing.expectEqual(null, parseMount(arena, line));
}

test "inside() takes whole names" {
    try std.testing.expectEqualStrings("/b", inside("/a", "/a/b").?);
    try std.testing.expectEqualStrings("", inside("/a", "/a").?);
    try std.testing.expectEqualStrings("/a", inside("/", "/a").?);
    try std.testing.expectEqual(null, inside("/a", "/ab"));
}

test "fuzz: no mountinfo and no /proc/self/cgroup crashes the parsers" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [512]u8 = undefined;
            const text = buffer[0..smith.slice(&buffer)];
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            _ = parseOwn(text);
            _ = parseMount(arena_state.allocator(), text);
        }
    }.one, .{ .corpus = &.{ "0::/x\n", "1 2 0:3 / /x rw - cgroup2 none rw" } });
}
