//! Owners, modes, times and extended attributes onto what has just been made.
//!
//! Owners: an id that the user namespace has no word for is lost. The file then stays the caller's, its owner is noted
//! in the xattr `user.tspod.owner` ("UID:GID", plus ":MODE" in octal when mode bits had to go), and it is counted.
//! A lost owner takes setuid with it and a lost group setgid, except on directories: the bit would lend the caller's
//! own rights instead of those the image meant.
//!
//! Attributes: `user.*` and `security.capability` (which the kernel binds to the user namespace, capabilities(7)) are
//! set. Under a translation file capabilities are bound to its root (revision 3, linux/capability.h). `user.overlay.*` and `trusted.overlay.*` would forge overlayfs' own notes and `user.tspod.*` ours; what is
//! left (security.selinux, system.*, trusted.*) belongs to the host that made the image. Those are dropped, counted.
const std = @import("std");
const archive = @import("archive.zig");
const owners = @import("owners.zig");
const pax = @import("pax.zig");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const owner_xattr = "user.tspod.owner";

pub const Owner = owners.Owner;

/// Who we are inside: what a new file belongs to without further ado.
pub const Writer = struct {
    uid: u32,
    gid: u32,
    /// What the archive's ids are called here.
    translation: owners.Translation,
    lost_owners: u64 = 0,
    dropped_xattrs: u64 = 0,

    pub fn init(translation: owners.Translation) Writer {
        return .{ .uid = linux.geteuid(), .gid = linux.getegid(), .translation = translation };
    }

    /// Give an open file or directory its owner and mode. `has_mode`: it already has the lower nine bits.
    pub fn setOwnerAndMode(self: *Writer, fd: linux.fd_t, owner: Owner, mode: u32, has_mode: bool) sys.Error!void {
        const kept = try self.setOwner(fd, "", owner);
        const is_whole = kept.uid and kept.gid;
        const is_directory = if (is_whole) false else try isDirectory(fd);
        var allowed = mode;
        if (!kept.uid and !is_directory) allowed &= ~@as(u32, linux.S.ISUID);
        if (!kept.gid and !is_directory) allowed &= ~@as(u32, linux.S.ISGID);
        // chown(2) takes the setuid and setgid bits away: the mode comes second.
        if (!has_mode or allowed & 0o7000 != 0) _ = try sys.check("fchmod", "", linux.fchmod(fd, allowed));
        if (!is_whole) noteOwner(fd, owner, mode, allowed);
    }

    /// The same for what cannot be opened: links, fifos, devices. There is no place to note a lost owner.
    pub fn setOwnerAt(self: *Writer, parent: linux.fd_t, name: [:0]const u8, owner: Owner) sys.Error!void {
        _ = try self.setOwner(parent, name, owner);
    }

    const Kept = struct { uid: bool, gid: bool };

    fn setOwner(self: *Writer, fd: linux.fd_t, name: [:0]const u8, wanted: Owner) sys.Error!Kept {
        const owner = self.translation.of(wanted);
        const uid_fits = if (owner.uid) |uid| uid == self.uid else false;
        const gid_fits = if (owner.gid) |gid| gid == self.gid else false;
        if (uid_fits and gid_fits) return .{ .uid = true, .gid = true };
        if (owner.uid != null and owner.gid != null and try change(fd, name, owner.uid.?, owner.gid.?)) {
            return .{ .uid = true, .gid = true };
        }
        const none = std.math.maxInt(u32);
        const kept: Kept = .{
            .uid = uid_fits or (owner.uid != null and try change(fd, name, owner.uid.?, none)),
            .gid = gid_fits or (owner.gid != null and try change(fd, name, none, owner.gid.?)),
        };
        self.lost_owners += 1;
        if (self.translation.root()) |root| {
            _ = try change(fd, name, if (kept.uid) none else root.uid.?, if (kept.gid) none else root.gid.?);
        }
        return kept;
    }

    /// Set the entry's extended attributes on an open file or directory.
    pub fn setXattrs(self: *Writer, fd: linux.fd_t, entry: *const archive.Entry) sys.Error!void {
        if (entry.records.len == 0) return;
        var xattrs = entry.xattrs();
        while (xattrs.next()) |xattr| {
            if (!isWelcome(xattr.key) or !try self.setXattr(fd, xattr.key, xattr.value)) self.dropped_xattrs += 1;
        }
    }

    /// False: it cannot be had here.
    pub fn setXattr(self: *const Writer, fd: linux.fd_t, name: []const u8, value: []const u8) sys.Error!bool {
        if (!self.translation.isNeeded() or !std.mem.eql(u8, name, "security.capability")) {
            return setXattrAsItIs(fd, name, value);
        }
        var buffer: owners.BoundCapability = undefined;
        const bound = self.translation.bindCapability(value, &buffer) orelse return false;
        return setXattrAsItIs(fd, name, bound);
    }

    /// Where attributes cannot be set at all.
    pub fn dropXattrs(self: *Writer, entry: *const archive.Entry) void {
        var xattrs = entry.xattrs();
        while (xattrs.next()) |_| self.dropped_xattrs += 1;
    }
};

/// False: the kernel has no such id here, or we may not.
fn change(fd: linux.fd_t, name: [:0]const u8, uid: u32, gid: u32) sys.Error!bool {
    const flags = linux.AT.SYMLINK_NOFOLLOW | linux.AT.EMPTY_PATH;
    const rc = linux.fchownat(fd, name, uid, gid, flags);
    switch (linux.errno(rc)) {
        .SUCCESS => return true,
        .INVAL, .PERM, .OVERFLOW => return false,
        else => _ = try sys.check("fchownat", "", rc),
    }
    unreachable;
}

fn isDirectory(fd: linux.fd_t) sys.Error!bool {
    var stat: linux.Statx = undefined;
    _ = try sys.check("statx", "", linux.statx(fd, "", linux.AT.EMPTY_PATH, .{ .TYPE = true }, &stat));
    return stat.mode & linux.S.IFMT == linux.S.IFDIR;
}

/// Best effort: not every file system has user attributes.
fn noteOwner(fd: linux.fd_t, owner: Owner, mode: u32, allowed: u32) void {
    var buffer: [48]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    const nobody = std.math.maxInt(u32);
    writer.print("{d}:{d}", .{ owner.uid orelse nobody, owner.gid orelse nobody }) catch unreachable;
    if (allowed != mode) writer.print(":{o:0>4}", .{mode}) catch unreachable;
    const text = writer.buffered();
    _ = linux.fsetxattr(fd, owner_xattr, text.ptr, text.len, 0);
}

/// What `noteOwner` has written: an owner and the mode that goes with it. Null: it is no such note.
pub fn parseOwner(text: []const u8, mode: u32) ?struct { owner: Owner, mode: u32 } {
    var parts = std.mem.splitScalar(u8, text, ':');
    const uid = std.fmt.parseInt(u32, parts.next() orelse return null, 10) catch return null;
    const gid = std.fmt.parseInt(u32, parts.next() orelse return null, 10) catch return null;
    const noted = if (parts.next()) |octal| std.fmt.parseInt(u32, octal, 8) catch return null else mode;
    if (parts.next() != null) return null;
    const nobody = std.math.maxInt(u32);
    const owner: Owner = .{ .uid = if (uid == nobody) null else uid, .gid = if (gid == nobody) null else gid };
    return .{ .owner = owner, .mode = noted & 0o7777 };
}

/// May an image set this attribute?
pub fn isWelcome(name: []const u8) bool {
    if (std.mem.eql(u8, name, "security.capability")) return true;
    if (!std.mem.startsWith(u8, name, "user.")) return false;
    return !std.mem.startsWith(u8, name, "user.overlay.") and !std.mem.startsWith(u8, name, "user.tspod.");
}

/// XATTR_NAME_MAX (linux/limits.h).
const xattr_name_bytes_max = 255;

/// False: this file system, or this user, cannot have that attribute.
pub fn setXattrAsItIs(fd: linux.fd_t, name: []const u8, value: []const u8) sys.Error!bool {
    if (name.len > xattr_name_bytes_max) return false;
    var buffer: [xattr_name_bytes_max + 1]u8 = undefined;
    const terminated = std.fmt.bufPrintZ(&buffer, "{s}", .{name}) catch unreachable;
    const rc = linux.fsetxattr(fd, terminated, value.ptr, value.len, 0);
    switch (linux.errno(rc)) {
        .SUCCESS => return true,
        .OPNOTSUPP, .PERM, .ACCES, .INVAL, .RANGE, .@"2BIG" => return false,
        else => _ = try sys.check("fsetxattr", "", rc),
    }
    unreachable;
}

/// Modification time, and the same for access, so that equal layers make equal trees.
pub fn setTimes(fd: linux.fd_t, mtime: pax.Timestamp) sys.Error!void {
    const both = times(mtime);
    _ = try sys.check("utimensat", "", linux.utimensat(fd, null, &both, 0));
}

pub fn setTimesAt(parent: linux.fd_t, name: [:0]const u8, mtime: pax.Timestamp) sys.Error!void {
    const both = times(mtime);
    _ = try sys.check("utimensat", "", linux.utimensat(parent, name, &both, linux.AT.SYMLINK_NOFOLLOW));
}

fn times(mtime: pax.Timestamp) [2]linux.timespec {
    std.debug.assert(mtime.nanoseconds < 1_000_000_000);
    const time: linux.timespec = .{ .sec = mtime.seconds, .nsec = mtime.nanoseconds };
    return .{ time, time };
}

test isWelcome {
    const welcome = [_][]const u8{ "user.x", "security.capability", "user.overlayx", "user.mime_type" };
    for (welcome) |name| try std.testing.expect(isWelcome(name));
    const unwelcome = [_][]const u8{
        "user.overlay.opaque", "user.overlay.redirect", "trusted.overlay.opaque",  "trusted.x",            "security.selinux",
        "user.tspod.owner",    "security.ima",          "system.posix_acl_access", "security.capabilityx", "user",
        "",
    };
    for (unwelcome) |name| try std.testing.expect(!isWelcome(name));
}

test parseOwner {
    const full = parseOwner("70000:4294967295:4755", 0o755).?;
    try std.testing.expectEqual(Owner{ .uid = 70_000, .gid = null }, full.owner);
    try std.testing.expectEqual(@as(u32, 0o4755), full.mode);
    try std.testing.expectEqual(@as(u32, 0o600), parseOwner("1:2", 0o600).?.mode);
    for ([_][]const u8{ "", "1", "1:", "a:b", "1:2:9", "1:2:7:7", "-1:2" }) |text| {
        try std.testing.expect(parseOwner(text, 0) == null);
    }
}
