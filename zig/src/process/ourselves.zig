//! Our own executable as a file that nobody inside of a container can write (CVE-2019-5736).
//!
//! The file belongs to the user that container root is. Whoever gets us to execute it inside holds it through
//! /proc/PID/exe and writes it once nobody runs it. `lookup.refuseOurselves` looks before execve, but where other
//! processes of the container are at work, a symlink or a script means something else a moment later. There we run
//! from the same file through a mount of its own that is read-only, and that no namespace has, so that nobody can
//! change it; or where that cannot be had, from a sealed copy in memory.
const std = @import("std");
const sys = @import("../sys.zig");
const lookup = @import("lookup.zig");
const linux = sys.linux;

/// The command line we were started with; set once, by main.
pub var argv: []const [*:0]const u8 = &.{};
pub var environ: [*:null]const ?[*:0]const u8 = &[_:null]?[*:0]const u8{};

const own_name = "/proc/self/exe";

/// Start again from a file that cannot be written, unless this one cannot. To be called before anything is done that
/// must not be done twice.
pub fn protect() sys.Error!void {
    if (!isWritable()) return;
    const fd = openReadOnly() orelse try copyToMemory("tspod");
    const words: [*:null]const ?[*:0]const u8 = @ptrCast(argv.ptr); // as the kernel laid them out: a null follows
    const empty_path: linux.EXECVEAT = @bitCast(@as(u32, sys.at_empty_path));
    const rc = linux.execveat(fd, "", words, environ, empty_path);
    _ = try sys.check("execveat", "our own executable, read-only", rc);
    unreachable;
}

/// By its owner, who may always make it so; a read-only mount and a sealed copy forbid it to everybody.
fn isWritable() bool {
    const rc = linux.open(own_name, .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return true;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    if (sys.isReadOnly(fd)) return false;
    const get_seals = 1034; // F_GET_SEALS
    const seals = linux.fcntl(fd, get_seals, 0);
    if (linux.errno(seals) == .SUCCESS and seals & seal_write != 0) return false;
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS) return true;
    if (stat.uid != 0 or linux.geteuid() == 0) return true;
    return linux.errno(linux.faccessat(linux.AT.FDCWD, own_name, linux.W_OK, 0)) == .SUCCESS;
}

/// What `openReadOnly` shares with the child that does it, which borrows our memory and our descriptors.
const Attempt = struct {
    path: [linux.PATH_MAX]u8 = undefined,
    fd: ?linux.fd_t = null,
    stack: [16 * 1024]u8 align(16) = undefined,
};
var attempt: Attempt = .{};

/// Mounts can be made in a mount namespace of one's own, so a child goes into one. Null: not here.
fn openReadOnly() ?linux.fd_t {
    const length = linux.readlink(own_name, &attempt.path, attempt.path.len - 1);
    if (linux.errno(length) != .SUCCESS) return null;
    attempt.path[length] = 0;
    const shared = linux.CLONE.VM | linux.CLONE.FILES | linux.CLONE.VFORK;
    const flags: u32 = shared | linux.CLONE.NEWUSER | linux.CLONE.NEWNS | @intFromEnum(linux.SIG.CHLD);
    const top = @intFromPtr(&attempt.stack) + attempt.stack.len;
    const rc = linux.clone(cloneMount, top, flags, @intFromPtr(&attempt), null, 0, null);
    if (linux.errno(rc) != .SUCCESS) return null;
    _ = sys.waitExit(@intCast(rc)) catch return null;
    const fd = attempt.fd orelse return null;
    if (isOurs(fd)) return fd;
    _ = linux.close(fd);
    return null;
}

fn cloneMount(argument: usize) callconv(.c) u8 {
    const shared: *Attempt = @ptrFromInt(argument);
    shared.fd = readOnlyMount(@ptrCast(&shared.path));
    return 0;
}

fn isOurs(fd: linux.fd_t) bool {
    var stat: linux.Statx = undefined;
    if (linux.errno(sys.statFd(fd, &stat)) != .SUCCESS) return false;
    const own = lookup.Identity.of(own_name) orelse return false;
    return std.meta.eql(own, lookup.Identity.from(&stat));
}

/// A detached, read-only mount of the file at `path`, in a mount namespace where we may make one.
pub fn readOnlyMount(path: [*:0]const u8) ?linux.fd_t {
    const rc = sys.cloneTree(linux.AT.FDCWD, path, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    const change: sys.MountAttr = .{ .set = sys.attr.rdonly | sys.attr.nosuid | sys.attr.nodev };
    if (linux.errno(sys.mountSetattr(fd, sys.at_empty_path, &change)) == .SUCCESS) return fd;
    _ = linux.close(fd);
    return null;
}

const seal_write = 0x8;

/// memfd_create(2) with every seal on it.
pub fn copyToMemory(title: [*:0]const u8) sys.Error!linux.fd_t {
    const flags = linux.MFD.CLOEXEC | linux.MFD.ALLOW_SEALING;
    const fd = try sys.checkFd("memfd_create", "", linux.memfd_create(title, flags));
    try copyTo(fd);
    const add_seals = 1033; // F_ADD_SEALS
    const all_seals = 0x1 | 0x2 | 0x4 | seal_write;
    _ = try sys.check("fcntl", "seals", linux.fcntl(fd, add_seals, all_seals));
    return fd;
}

/// The file we run from, written to `fd`.
pub fn copyTo(fd: linux.fd_t) sys.Error!void {
    const from = try sys.checkFd("open", own_name, linux.open(own_name, .{ .CLOEXEC = true }, 0));
    defer _ = linux.close(from);
    const chunk_bytes = 1 << 24;
    while (try sys.check("sendfile", "", linux.sendfile(fd, from, null, chunk_bytes)) != 0) {}
}
