//! Where the unpacked program is kept: `<cache>/tspod/<its hash>/tspod`, made once by whoever comes first.
//!
//! Theory of operation. A directory counts only if it is ours and nobody else can write to it; from then on everything
//! is done relative to its descriptor, so that nobody can put another in its place. Unpacking happens under flock(2)
//! on the directory of that hash: the others wait, and a temporary file found there was left by one who died.
//! A file is complete when it has its name, because it gets that by rename after fsync.
const std = @import("std");
const payload = @import("payload.zig");
const snapshot = @import("snapshot/format.zig");
const linux = std.os.linux;
const fd_t = linux.fd_t;

pub const program = "tspod";
const temporary = "tspod.tmp";
/// Programs of other versions that are kept beside ours, those used last.
const others_kept = 2;
/// Its time says when a program was last used, to the day.
const use_precision_seconds = 24 * 60 * 60;

/// flock(2)
const lock = struct {
    const exclusive = 2;
    const nonblocking = 4;
    const none = 8;
};

pub const Error = error{ Damaged, Unusable };

/// Why the last place was not usable.
pub var errno: linux.E = .SUCCESS;

fn unusable(why: linux.E) Error {
    errno = why;
    return error.Unusable;
}

fn check(rc: usize) Error!usize {
    const why = linux.errno(rc);
    return if (why == .SUCCESS) rc else unusable(why);
}

/// The directory that holds the program, which is complete. `root` has to exist up to `exists`, a prefix of it.
pub fn ensure(root: []const u8, exists: []const u8) Error!fd_t {
    const top = try openTop(root, exists);
    defer _ = linux.close(top);
    const name = payload.idHex() ++ "\x00";
    const id = name[0 .. name.len - 1 :0];
    const directory = openOwnDirectory(top, id) catch |err| first: {
        if (errno != .NOENT) return err;
        const made = linux.errno(linux.mkdirat(top, id, 0o700));
        if (made != .SUCCESS and made != .EXIST) return unusable(made);
        break :first try openOwnDirectory(top, id);
    };
    errdefer _ = linux.close(directory);
    if (isComplete(directory)) return directory;
    try unpackInto(directory);
    removeOthers(top, id);
    return directory;
}

/// Again: what is there cannot be executed.
pub fn renew(directory: fd_t) Error!void {
    _ = linux.unlinkat(directory, program, 0);
    try unpackInto(directory);
}

fn openTop(root: []const u8, exists: []const u8) Error!fd_t {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    if (root.len >= buffer.len) return unusable(.NAMETOOLONG);
    @memcpy(buffer[0..root.len], root);
    buffer[root.len] = 0;
    const path = buffer[0..root.len :0];
    if (openOwnDirectory(linux.AT.FDCWD, path)) |fd| return fd else |_| if (errno != .NOENT) return error.Unusable;
    for (path, 0..) |byte, i| { // each directory on the way
        if (byte != '/' or i <= exists.len) continue;
        path[i] = 0;
        _ = linux.mkdirat(linux.AT.FDCWD, path, 0o700); // what goes wrong here shows at the last one
        path[i] = '/';
    }
    const made = linux.errno(linux.mkdirat(linux.AT.FDCWD, path, 0o700));
    if (made != .SUCCESS and made != .EXIST) return unusable(made);
    return openOwnDirectory(linux.AT.FDCWD, path);
}

fn openOwnDirectory(at: fd_t, path: [*:0]const u8) Error!fd_t {
    const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
    const fd: fd_t = @intCast(try check(linux.openat(at, path, flags, 0)));
    errdefer _ = linux.close(fd);
    const stat = try status(fd, "");
    if (!isOurs(&stat)) return unusable(.PERM);
    return fd;
}

pub fn status(at: fd_t, path: [*:0]const u8) Error!linux.Statx {
    var stat: linux.Statx = undefined;
    const flags = linux.AT.EMPTY_PATH | linux.AT.SYMLINK_NOFOLLOW;
    _ = try check(linux.statx(at, path, flags, linux.STATX.BASIC_STATS, &stat));
    return stat;
}

pub fn isOurs(stat: *const linux.Statx) bool {
    return stat.uid == linux.geteuid() and stat.mode & 0o022 == 0;
}

/// Is it there, of the right size, and ours? It is also noted that it is used.
fn isComplete(directory: fd_t) bool {
    const stat = status(directory, program) catch return false;
    const is_file = stat.mode & linux.S.IFMT == linux.S.IFREG;
    if (!is_file or !isOurs(&stat) or stat.size != payload.size() or stat.mode & 0o100 == 0) return false;
    var now: linux.timespec = undefined;
    _ = linux.clock_gettime(.REALTIME, &now);
    if (now.sec - stat.mtime.sec > use_precision_seconds) {
        _ = linux.utimensat(directory, program, null, linux.AT.SYMLINK_NOFOLLOW);
    }
    return true;
}

fn unpackInto(directory: fd_t) Error!void {
    while (true) {
        const rc = linux.flock(directory, lock.exclusive);
        if (linux.errno(rc) == .INTR) continue;
        _ = try check(rc);
        break;
    }
    defer _ = linux.flock(directory, lock.none);
    if (isComplete(directory)) return; // somebody was faster
    _ = linux.unlinkat(directory, temporary, 0);
    const flags: linux.O = .{ .ACCMODE = .RDWR, .CREAT = true, .EXCL = true, .NOFOLLOW = true, .CLOEXEC = true };
    const fd: fd_t = @intCast(try check(linux.openat(directory, temporary, flags, 0o700)));
    errdefer _ = linux.unlinkat(directory, temporary, 0);
    {
        defer _ = linux.close(fd); // an open writer would make it "text file busy"
        payload.unpack(fd) catch |err| switch (err) {
            error.Damaged => return error.Damaged,
            error.Unwritable => return unusable(payload.unwritable_errno),
        };
        // the directory keeps others out; a container's own users get to it by descriptor, as its init
        _ = try check(linux.fchmod(fd, 0o555));
        _ = try check(linux.fsync(fd));
    }
    _ = try check(linux.renameat(directory, temporary, directory, program));
    _ = linux.fsync(directory);
}

const Other = struct { name: [32:0]u8, used_at: i64 };

/// Remove all but the few that were used last. One that runs goes on running; what cannot be removed stays.
fn removeOthers(top: fd_t, own: *const [32:0]u8) void {
    const others_max = 64;
    var others: [others_max]Other = undefined;
    var count: usize = 0;
    var buffer: [4096]u8 align(@alignOf(linux.dirent64)) = undefined;
    while (true) {
        const rc = linux.getdents64(top, &buffer, buffer.len);
        if (linux.errno(rc) != .SUCCESS or rc == 0) break;
        var at: usize = 0;
        while (at < rc) {
            const entry: *linux.dirent64 = @ptrCast(@alignCast(&buffer[at]));
            at += entry.reclen;
            const name = std.mem.span(@as([*:0]const u8, @ptrCast(&entry.name)));
            if (count == others_max or !isId(name) or std.mem.eql(u8, name, own)) continue;
            others[count].name = name[0..32 :0].*;
            others[count].used_at = lastUse(top, &others[count].name);
            count += 1;
        }
    }
    std.mem.sort(Other, others[0..count], {}, struct {
        fn usedLater(_: void, a: Other, b: Other) bool {
            return a.used_at > b.used_at;
        }
    }.usedLater);
    for (others[@min(count, others_kept)..count]) |*other| remove(top, &other.name);
}

/// Directories of ours are named with 32 hexadecimal digits; nothing else is touched.
fn isId(name: []const u8) bool {
    if (name.len != 32) return false;
    for (name) |c| if (!std.ascii.isDigit(c) and !(c >= 'a' and c <= 'f')) return false;
    return true;
}

fn lastUse(top: fd_t, name: [*:0]const u8) i64 {
    const directory = openOwnDirectory(top, name) catch return 0;
    defer _ = linux.close(directory);
    const stat = status(directory, program) catch return 0;
    return stat.mtime.sec;
}

fn remove(top: fd_t, name: [*:0]const u8) void {
    const directory = openOwnDirectory(top, name) catch return;
    defer _ = linux.close(directory);
    // Somebody may be unpacking there right now: then it is in use.
    if (linux.errno(linux.flock(directory, lock.exclusive | lock.nonblocking)) != .SUCCESS) return;
    for ([_][*:0]const u8{ program, temporary, snapshot.name, snapshot.temporary }) |each| _ = linux.unlinkat(directory, each, 0);
    _ = linux.unlinkat(top, name, linux.AT.REMOVEDIR);
}
