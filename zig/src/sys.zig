//! The one system call layer: raw Linux calls, decoded once, with what failed remembered for the event stream.
//! It knows no domain word; what std lacks or gets wrong (clone3, openat2, mount_setattr, capset) is added here.
const std = @import("std");
pub const linux = std.os.linux;

/// What failed and on what: becomes the `failed{call,detail,errno}` event.
pub const Failure = struct { call: []const u8, detail: []const u8 = "", errno: linux.E };

/// The process is single-threaded: one slot is enough.
pub var failure: ?Failure = null;

pub const Error = error{Syscall};

/// Decode a raw return value; on failure remember which call it was. `detail` must outlive the report.
pub fn check(call: []const u8, detail: []const u8, rc: usize) Error!usize {
    const e = linux.errno(rc);
    if (e == .SUCCESS) return rc;
    failure = .{ .call = call, .detail = detail, .errno = e };
    return error.Syscall;
}

/// Same, for calls that return a file descriptor.
pub fn checkFd(call: []const u8, detail: []const u8, rc: usize) Error!linux.fd_t {
    return @intCast(try check(call, detail, rc));
}

/// Write everything, through EINTR and short writes.
pub fn writeAll(fd: linux.fd_t, bytes: []const u8) Error!void {
    var done: usize = 0;
    while (done < bytes.len) {
        const rc = linux.write(fd, bytes.ptr + done, bytes.len - done);
        if (linux.errno(rc) == .INTR) continue;
        done += try check("write", "", rc);
    }
}

/// Remember a failure that no single system call explains: `sentence` says it all.
pub fn fail(call: []const u8, sentence: []const u8) Error {
    failure = .{ .call = call, .detail = sentence, .errno = .SUCCESS };
    return error.Syscall;
}

/// The same with a formatted sentence, cut at 1 KiB. The next call overwrites it.
pub fn failFormat(call: []const u8, comptime text: []const u8, args: anytype) Error {
    return fail(call, format(text, args));
}

/// Text for a `detail`, in one static buffer of 1 KiB: cut when longer, overwritten by the next call.
pub fn format(comptime text: []const u8, args: anytype) []const u8 {
    const static = struct {
        var buffer: [1024]u8 = undefined;
    };
    var w: std.Io.Writer = .fixed(&static.buffer);
    w.print(text, args) catch {}; // full: the beginning is what matters
    return w.buffered();
}

/// clone3(2), Linux 5.3. With `stack` = 0 it returns twice, like fork.
pub const CloneArgs = extern struct {
    flags: u64 align(8),
    pidfd: u64 = 0, // address of an i32
    child_tid: u64 = 0,
    parent_tid: u64 = 0,
    exit_signal: u64 = @intFromEnum(linux.SIG.CHLD),
    stack: u64 = 0,
    stack_size: u64 = 0,
    tls: u64 = 0,
    set_tid: u64 = 0,
    set_tid_size: u64 = 0,
    cgroup: u64 = 0, // directory descriptor, with CLONE.INTO_CGROUP

    comptime {
        std.debug.assert(@sizeOf(CloneArgs) == 88); // CLONE_ARGS_SIZE_VER2
    }
};

pub fn clone3(args: *const CloneArgs) usize {
    return linux.syscall2(.clone3, @intFromPtr(args), @sizeOf(CloneArgs));
}

/// CLONE_INTO_CGROUP, Linux 5.7.
pub const clone_into_cgroup: u64 = 0x200000000;

/// waitid(2) for one child by pid, through EINTR. 0-255: exited; 128 + n: killed by signal n.
pub fn waitExit(pid: linux.pid_t) Error!u32 {
    return waitStatus(.PID, pid);
}

/// The same by descriptor (P_PIDFD, Linux 5.4), which no reused pid can fool.
pub fn waitExitFd(pidfd: linux.fd_t) Error!u32 {
    return waitStatus(.PIDFD, pidfd);
}

fn waitStatus(kind: linux.P, id: i32) Error!u32 {
    var info: linux.siginfo_t = undefined;
    while (true) {
        const rc = linux.waitid(kind, id, &info, linux.W.EXITED, null);
        if (linux.errno(rc) == .INTR) continue;
        _ = try check("waitid", "", rc);
        const status: u32 = @intCast(info.fields.common.second.sigchld.status);
        return if (info.code == @intFromEnum(linux.CLD.EXITED)) status else 128 + status;
    }
}

/// openat2(2), Linux 5.6.
const OpenHow = extern struct { flags: u64, mode: u64 = 0, resolve: u64 = 0 };

pub const resolve = struct {
    pub const no_xdev: u64 = 0x01;
    pub const no_magiclinks: u64 = 0x02;
    pub const no_symlinks: u64 = 0x04;
    pub const beneath: u64 = 0x08;
    pub const in_root: u64 = 0x10;
};

/// A rename or a mount anywhere on the machine can make the kernel unsure of "..": it says EAGAIN. Any container can go
/// on renaming without end, so we go on asking; each time takes microseconds.
const openat2_attempts_max = 10_000;

pub fn openat2(dirfd: linux.fd_t, path: [*:0]const u8, flags: linux.O, mode: u32, how: u64) usize {
    const open_how: OpenHow = .{ .flags = @as(u32, @bitCast(flags)), .mode = mode, .resolve = how };
    const size = @sizeOf(OpenHow);
    var rc: usize = undefined;
    for (0..openat2_attempts_max) |_| {
        rc = linux.syscall4(.openat2, signed(dirfd), @intFromPtr(path), @intFromPtr(&open_how), size);
        if (linux.errno(rc) != .AGAIN and linux.errno(rc) != .INTR) break;
    }
    return rc;
}

pub const at_empty_path = 0x1000;
pub const at_recursive = 0x8000;
const open_tree_clone = 1;
const open_tree_cloexec = 0o2000000;

/// A detached copy of the mount at `path` (open_tree(2), Linux 5.2): nobody sees it until it is moved into place.
pub fn cloneTree(dirfd: linux.fd_t, path: [*:0]const u8, flags: u32) usize {
    const all = flags | open_tree_clone | open_tree_cloexec;
    return linux.syscall3(.open_tree, signed(dirfd), @intFromPtr(path), all);
}

/// mount_setattr(2), Linux 5.12.
pub const MountAttr = extern struct { set: u64 = 0, clear: u64 = 0, propagation: u64 = 0, userns_fd: u64 = 0 };

pub const attr = struct {
    pub const rdonly = 0x01;
    pub const nosuid = 0x02;
    pub const nodev = 0x04;
    pub const noexec = 0x08;
    pub const atime_mask = 0x70;
    pub const noatime = 0x10;
    pub const strictatime = 0x20;
    pub const nodiratime = 0x80;
    pub const nosymfollow = 0x200000;
};

pub fn mountSetattr(fd: linux.fd_t, flags: u32, value: *const MountAttr) usize {
    const size = @sizeOf(MountAttr);
    return linux.syscall5(.mount_setattr, signed(fd), @intFromPtr(""), flags, @intFromPtr(value), size);
}

/// mountSetattr for a mount that will be attached with moveMount. Before Linux 5.12 the old way is taken, which knows
/// attached mounts only: for a detached one it waits for moveMount, when nothing of the container runs yet.
pub fn changeMount(fd: linux.fd_t, flags: u32, value: *const MountAttr) usize {
    const rc = mountSetattr(fd, flags, value);
    if (linux.errno(rc) != .NOSYS) return rc;
    const is_recursive = flags & at_recursive != 0;
    const old = remount(fd, value.*, is_recursive);
    if (linux.errno(old) != .INVAL) return old;
    if (waiting == null or waiting.?.fd != fd) waiting = .{ .fd = fd };
    waiting.?.value.set |= value.set;
    if (value.propagation != 0) waiting.?.value.propagation = value.propagation;
    waiting.?.is_recursive = waiting.?.is_recursive or is_recursive;
    return 0;
}

const Waiting = struct { fd: linux.fd_t, value: MountAttr = .{}, is_recursive: bool = false };
var waiting: ?Waiting = null;

/// mount(2) with MS_REMOUNT|MS_BIND: flags that are set stay set, for most of them are locked. Not recursive, the
/// propagation aside; the time of access stays as it is.
fn remount(fd: linux.fd_t, value: MountAttr, is_recursive: bool) usize {
    var buffer: [32]u8 = undefined;
    const path = std.fmt.bufPrintZ(&buffer, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    const same_bits = attr.rdonly | attr.nosuid | attr.nodev | attr.noexec; // MOUNT_ATTR_x is MS_x for these
    if (value.set & same_bits != 0) {
        var stat: StatFs = undefined;
        const rc = linux.syscall2(.fstatfs, signed(fd), @intFromPtr(&stat));
        if (linux.errno(rc) != .SUCCESS) return rc;
        var flags: u32 = linux.MS.REMOUNT | linux.MS.BIND;
        flags |= @intCast((value.set | stat.flags) & same_bits);
        flags |= @intCast(stat.flags & (linux.MS.NOATIME | linux.MS.NODIRATIME));
        const st_relatime = 4096;
        if (stat.flags & st_relatime != 0) flags |= linux.MS.RELATIME;
        const done = linux.mount(null, path, null, flags, 0);
        if (linux.errno(done) != .SUCCESS) return done;
    }
    if (value.propagation == 0) return 0;
    const reach: u32 = if (is_recursive) linux.MS.REC else 0;
    return linux.mount(null, path, null, @as(u32, @intCast(value.propagation)) | reach, 0);
}

/// struct statfs of x86-64 and arm64 (statfs(2)): all words, the flags the eleventh.
const StatFs = extern struct { before: [10]u64, flags: u64, spare: [4]u64 };

/// Attach the detached mount `mount_fd` on top of what `target_fd` is (move_mount(2), Linux 5.2).
pub fn moveMount(mount_fd: linux.fd_t, target_fd: linux.fd_t) usize {
    const both_empty = 0x04 | 0x40; // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    const source = signed(mount_fd);
    const rc = linux.syscall5(.move_mount, source, @intFromPtr(""), signed(target_fd), @intFromPtr(""), both_empty);
    const late = waiting orelse return rc;
    if (linux.errno(rc) != .SUCCESS or late.fd != mount_fd) return rc;
    waiting = null;
    return remount(mount_fd, late.value, late.is_recursive);
}

/// Mark every descriptor from `first` on as closed by execve (close_range(2), Linux 5.11; std has the flag wrong).
pub fn closeOnExecFrom(first: linux.fd_t) void {
    const close_range_cloexec = 4;
    _ = linux.syscall3(.close_range, signed(first), std.math.maxInt(i32), close_range_cloexec);
}

/// Close every descriptor from `first` on (Linux 5.9).
pub fn closeFrom(first: linux.fd_t) void {
    closeRange(first, std.math.maxInt(i32));
}

/// From `first` to `last`, both included.
pub fn closeRange(first: linux.fd_t, last: linux.fd_t) void {
    _ = linux.syscall3(.close_range, signed(first), signed(last), 0);
}

fn signed(fd: linux.fd_t) usize {
    return @bitCast(@as(isize, fd));
}

/// Type, permissions, device numbers of an open file (statx(2) of the descriptor itself).
pub fn statFd(fd: linux.fd_t, out: *linux.Statx) usize {
    return linux.statx(fd, "", at_empty_path, linux.STATX.BASIC_STATS, out);
}

/// Whether the mount that an open file was reached by, or its file system, is read-only: nobody's permissions count.
pub fn isReadOnly(fd: linux.fd_t) bool {
    var stat: StatFs = undefined;
    const st_rdonly = 1;
    return linux.errno(linux.syscall2(.fstatfs, signed(fd), @intFromPtr(&stat))) == .SUCCESS and stat.flags & st_rdonly != 0;
}

/// What kind of file system an open file is on: f_type of statfs(2), the struct's first word. 0 when unknown.
pub fn fileSystemType(fd: linux.fd_t) usize {
    var statfs: [32]usize = @splat(0);
    if (linux.errno(linux.syscall2(.fstatfs, signed(fd), @intFromPtr(&statfs))) != .SUCCESS) return 0;
    return statfs[0];
}

/// The name of an errno as C spells it ("ENOENT"), also for values std has no name for.
pub fn errnoName(e: linux.E, buffer: *[32]u8) []const u8 {
    if (std.enums.tagName(linux.E, e)) |name| return std.fmt.bufPrint(buffer, "E{s}", .{name}) catch "E?";
    return std.fmt.bufPrint(buffer, "E{d}", .{@intFromEnum(e)}) catch "E?";
}

test "check() remembers what failed" {
    try std.testing.expectError(error.Syscall, check("close", "x", linux.close(-1)));
    try std.testing.expectEqual(linux.E.BADF, failure.?.errno);
    var buffer: [32]u8 = undefined;
    try std.testing.expectEqualStrings("EBADF", errnoName(failure.?.errno, &buffer));
}
