//! Who a container's program runs as: "name", "1000", "name:group", "1000:1000", looked up in the container's own
//! /etc/passwd and /etc/group as docker does. Files are read in a fixed buffer; lines of any length are survived.
//! Runs inside the container's root; changes no credentials.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// The kernel's NGROUPS_MAX.
pub const groups_max = 65536;

/// A user in more groups of /etc/group than this is refused.
pub const memberships_max = 256;
pub const name_bytes_max = 256;
const home_bytes_max = 1024;

pub const User = struct {
    uid: u32 = 0,
    gid: u32 = 0,
    /// Room for `memberships_max` and the groups that are added as they stand.
    groups: []u32,
    group_count: usize = 0,
    home_buffer: [home_bytes_max]u8 = undefined,
    home_bytes: usize = 0,

    pub fn groupList(user: *const User) []const u32 {
        return user.groups[0..user.group_count];
    }

    /// "" when /etc/passwd does not know the user.
    pub fn home(user: *const User) []const u8 {
        return user.home_buffer[0..user.home_bytes];
    }

    fn addGroup(user: *User, gid: u32) sys.Error!void {
        if (gid == user.gid) return;
        const looked_at = @min(user.group_count, memberships_max); // one twice is no error
        for (user.groups[0..looked_at]) |known| if (known == gid) return;
        if (user.group_count == user.groups.len) return sys.failFormat("user", "more than {d} groups", .{memberships_max});
        user.groups[user.group_count] = gid;
        user.group_count += 1;
    }
};

/// What the words mean: names are kept as they are, numbers are understood first.
const Wanted = struct { user: []const u8, group: ?[]const u8 };

fn parse(text: []const u8) Wanted {
    const colon = std.mem.indexOfScalar(u8, text, ':') orelse return .{ .user = text, .group = null };
    return .{ .user = text[0..colon], .group = text[colon + 1 ..] };
}

fn number(text: []const u8) ?u32 {
    if (text.len == 0) return null;
    for (text) |byte| if (!std.ascii.isDigit(byte)) return null;
    const value = std.fmt.parseInt(u32, text, 10) catch return null;
    return if (value == std.math.maxInt(u32)) null else value;
}

/// Find out who `text` is ("" is uid 0). `extra_groups` are added as they stand. A user known only by number has
/// gid 0 and no further groups; a named group replaces the user's own groups.
pub fn lookup(user: *User, text: []const u8, extra_groups: []const u32) sys.Error!void {
    const wanted = parse(text);
    const uid_wanted: ?u32 = if (wanted.user.len == 0) 0 else number(wanted.user);
    user.* = .{ .uid = uid_wanted orelse 0, .groups = user.groups };

    var name_buffer: [name_bytes_max]u8 = undefined;
    var name: []const u8 = "";
    var passwd: Lines = .open("/etc/passwd");
    defer passwd.close();
    const entry = findUser(&passwd, wanted.user, uid_wanted);
    if (entry) |found| {
        user.uid = found.uid;
        user.gid = found.gid;
        name = name_buffer[0..found.name.len];
        @memcpy(name_buffer[0..found.name.len], found.name);
        setHome(user, found.home);
    } else if (uid_wanted == null) {
        return sys.failFormat("user", "no user \"{s}\" in the image's /etc/passwd", .{wanted.user});
    }

    if (wanted.group) |group| {
        user.gid = number(group) orelse try findGroup(group);
    } else if (name.len > 0) {
        try addMemberships(user, name);
    }
    for (extra_groups) |gid| try user.addGroup(gid);
}

/// One more group, by its name in /etc/group.
pub fn addNamed(user: *User, name: []const u8) sys.Error!void {
    try user.addGroup(try findGroup(name));
}

/// The name of a user id in /etc/passwd, or null.
pub fn nameOf(uid: u32, buffer: *[name_bytes_max]u8) ?[]const u8 {
    var passwd: Lines = .open("/etc/passwd");
    defer passwd.close();
    const entry = findUser(&passwd, "", uid) orelse return null;
    @memcpy(buffer[0..entry.name.len], entry.name);
    return buffer[0..entry.name.len];
}

/// The home of a user who is known by number only.
pub fn findHome(user: *User) void {
    var passwd: Lines = .open("/etc/passwd");
    defer passwd.close();
    if (findUser(&passwd, "", user.uid)) |found| setHome(user, found.home);
}

fn setHome(user: *User, home: []const u8) void {
    user.home_bytes = @min(home.len, home_bytes_max);
    @memcpy(user.home_buffer[0..user.home_bytes], home[0..user.home_bytes]);
}

const PasswdEntry = struct { name: []const u8, uid: u32, gid: u32, home: []const u8 };

/// The first line whose name, or whose uid when one is wanted, is it.
fn findUser(lines: *Lines, name: []const u8, uid_wanted: ?u32) ?PasswdEntry {
    while (lines.next()) |line| {
        const entry = parsePasswd(line) orelse continue;
        if (if (uid_wanted) |uid| entry.uid == uid else std.mem.eql(u8, entry.name, name)) return entry;
    }
    return null;
}

/// name:password:uid:gid:comment:home:shell (passwd(5)).
fn parsePasswd(line: []const u8) ?PasswdEntry {
    var fields = std.mem.splitScalar(u8, line, ':');
    const name = fields.next() orelse return null;
    _ = fields.next() orelse return null;
    const uid = number(fields.next() orelse return null) orelse return null;
    const gid = number(fields.next() orelse return null) orelse return null;
    _ = fields.next() orelse return null;
    const home = fields.next() orelse "";
    if (name.len == 0 or name.len > name_bytes_max) return null;
    return .{ .name = name, .uid = uid, .gid = gid, .home = home };
}

const GroupEntry = struct { name: []const u8, gid: u32, members: []const u8 };

/// name:password:gid:member,member (group(5)).
fn parseGroup(line: []const u8) ?GroupEntry {
    var fields = std.mem.splitScalar(u8, line, ':');
    const name = fields.next() orelse return null;
    _ = fields.next() orelse return null;
    const gid = number(fields.next() orelse return null) orelse return null;
    return .{ .name = name, .gid = gid, .members = fields.next() orelse "" };
}

fn findGroup(name: []const u8) sys.Error!u32 {
    var lines: Lines = .open("/etc/group");
    defer lines.close();
    while (lines.next()) |line| {
        const entry = parseGroup(line) orelse continue;
        if (std.mem.eql(u8, entry.name, name)) return entry.gid;
    }
    return sys.failFormat("user", "no group \"{s}\" in the image's /etc/group", .{name});
}

fn addMemberships(user: *User, name: []const u8) sys.Error!void {
    var lines: Lines = .open("/etc/group");
    defer lines.close();
    while (lines.next()) |line| {
        const entry = parseGroup(line) orelse continue;
        var members = std.mem.splitScalar(u8, entry.members, ',');
        while (members.next()) |member| {
            if (std.mem.eql(u8, member, name)) try user.addGroup(entry.gid);
        }
    }
}

/// The lines of a file that may be missing, huge, or no file at all: then it has none.
const Lines = struct {
    fd: linux.fd_t,
    start: usize = 0,
    end: usize = 0,

    const buffer_bytes = 16 * 1024;
    var buffer: [buffer_bytes]u8 = undefined; // one file at a time

    fn open(path: [:0]const u8) Lines {
        // NONBLOCK: a FIFO put there must not hang us.
        const rc = linux.open(path, .{ .CLOEXEC = true, .NONBLOCK = true, .NOCTTY = true }, 0);
        if (linux.errno(rc) != .SUCCESS) return .{ .fd = -1 };
        const fd: linux.fd_t = @intCast(rc);
        var stat: linux.Statx = undefined;
        if (linux.errno(sys.statFd(fd, &stat)) == .SUCCESS and linux.S.ISREG(stat.mode)) return .{ .fd = fd };
        _ = linux.close(fd);
        return .{ .fd = -1 };
    }

    fn close(lines: *Lines) void {
        if (lines.fd >= 0) _ = linux.close(lines.fd);
    }

    /// Valid until the next call. A line longer than the buffer comes in pieces, which parse as nothing.
    fn next(lines: *Lines) ?[]const u8 {
        while (true) {
            const rest = buffer[lines.start..lines.end];
            if (std.mem.indexOfScalar(u8, rest, '\n')) |length| {
                lines.start += length + 1;
                return rest[0..length];
            }
            std.mem.copyForwards(u8, buffer[0..rest.len], rest);
            lines.start = 0;
            lines.end = rest.len;
            if (lines.end == buffer_bytes) {
                lines.end = 0;
                return buffer[0..buffer_bytes];
            }
            const n = if (lines.fd < 0) 0 else linux.read(lines.fd, buffer[lines.end..].ptr, buffer_bytes - lines.end);
            if (linux.errno(n) == .SUCCESS and n > 0) {
                lines.end += n;
                continue;
            }
            if (lines.end == 0) return null;
            const last = buffer[0..lines.end];
            lines.end = 0;
            return last;
        }
    }
};

test "parsePasswd() and parseGroup()" {
    const root = parsePasswd("root:x:0:0:root:/root:/bin/sh").?;
    try std.testing.expectEqualStrings("/root", root.home);
    try std.testing.expectEqual(@as(u32, 0), root.uid);
    for ([_][]const u8{ "", "root", "a:x:y:0::/", "a:x:-1:0::/", ":x:0:0::/", "a:x:4294967295:0::/" }) |bad| {
        try std.testing.expect(parsePasswd(bad) == null);
    }
    const wheel = parseGroup("wheel:x:10:root,app").?;
    try std.testing.expectEqualStrings("root,app", wheel.members);
    try std.testing.expect(parseGroup("wheel:x") == null);
}

test "fuzz: no line of /etc/passwd or /etc/group crashes" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var text: [512]u8 = undefined;
            const line = text[0..smith.slice(&text)];
            if (parsePasswd(line)) |entry| try std.testing.expect(entry.name.len > 0);
            _ = parseGroup(line);
            _ = parse(line);
        }
    }.one, .{ .corpus = &.{"root:x:0:0:root:/root:/bin/sh"} });
}

test "lookup() of a number that no file knows" {
    var groups: [memberships_max]u32 = undefined;
    var user: User = .{ .groups = &groups };
    try lookup(&user, "4123456:77", &.{ 5, 77, 5 });
    try std.testing.expectEqual(@as(u32, 4123456), user.uid);
    try std.testing.expectEqual(@as(u32, 77), user.gid);
    try std.testing.expectEqualSlices(u32, &.{5}, user.groupList());
    try std.testing.expectError(error.Syscall, lookup(&user, "no such user", &.{}));
    try std.testing.expectEqualStrings("user", sys.failure.?.call);
}
