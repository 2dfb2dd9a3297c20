//! fuse-overlayfs, where the kernel refuses native overlays: the container's process makes the mount, whose other end,
//! /dev/fuse, goes to a process of the monitor that serves it.
//!
//! That process has the container's ids (its user namespace), but lives in the host's other namespaces: nobody inside
//! sees it, and it keeps nothing of the container alive. When the container's mount namespace ends, its connection
//! ends, and so does it; when the monitor dies, it dies as well. There is nothing to unmount.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const linux = sys.linux;

/// Where `serve` leaves the connection: libfuse takes "/dev/fd/N" for a mount that is made already (since 3.3).
const device_fd = 3;
const mount_point = "/dev/fd/3";

/// Mount at `target`, as root of the user namespace. Returns the connection, which has to be served from now on:
/// whoever looks into the mount waits for that. `fuse(4)`: the connection must be opened where it is mounted.
pub fn mount(target: [:0]const u8) sys.Error!linux.fd_t {
    const name = "/dev/fuse";
    const device = try sys.checkFd("open", name, linux.open(name, .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0));
    errdefer _ = linux.close(device);
    var text: [128]u8 = undefined;
    // Permissions are the kernel's to check, for every id of the container.
    const options = std.fmt.bufPrintZ(
        &text,
        "fd={d},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other",
        .{device},
    ) catch unreachable;
    const rc = linux.mount("fuse-overlayfs", target, "fuse", linux.MS.NODEV, @intFromPtr(options.ptr));
    _ = try sys.check("mount", target, rc);
    return device;
}

/// Start the program that serves `device`, a child of ours. It works with the ids of `userns`; null: with ours.
pub fn serve(userns: ?linux.fd_t, rootfs: *const contract.Rootfs, device: linux.fd_t) sys.Error!linux.pid_t {
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const options = optionsOf(arena_state.allocator(), rootfs) catch |err| switch (err) {
        error.OutOfMemory => return sys.fail("mount", "out of memory"),
        error.Syscall => return error.Syscall,
    };
    const argv = [_:null]?[*:0]const u8{ rootfs.program, "-f", "-o", options, mount_point };
    const pid = try sys.check("fork", rootfs.program, linux.fork());
    if (pid == 0) run(userns, rootfs.program, &argv, device);
    return @intCast(pid);
}

/// `lowerdir=A:B,upperdir=C,workdir=D`. The bytes that separate these cannot be part of a path: there are versions that
/// know no way to say so.
fn optionsOf(arena: std.mem.Allocator, rootfs: *const contract.Rootfs) ![:0]const u8 {
    var text: std.ArrayList(u8) = .empty;
    for (rootfs.lower, 0..) |path, i| {
        try text.appendSlice(arena, if (i == 0) "lowerdir=" else ":");
        try text.appendSlice(arena, try plain(path));
    }
    try text.print(arena, ",upperdir={s},workdir={s}", .{ try plain(rootfs.upper), try plain(rootfs.work) });
    return text.toOwnedSliceSentinel(arena, 0);
}

fn plain(path: []const u8) sys.Error![]const u8 {
    if (std.mem.indexOfAny(u8, path, ",:\\") == null) return path;
    return sys.failFormat("mount", "fuse-overlayfs cannot be given the path {s}: it contains , : or \\", .{path});
}

fn run(
    userns: ?linux.fd_t,
    program: [:0]const u8,
    argv: [*:null]const ?[*:0]const u8,
    device: linux.fd_t,
) noreturn {
    if (userns) |fd| {
        if (linux.errno(linux.setns(fd, linux.CLONE.NEWUSER)) != .SUCCESS) linux.exit_group(1);
        _ = linux.setresgid(0, 0, 0);
        _ = linux.setresuid(0, 0, 0);
    }
    _ = linux.setsid(); // what a terminal sends to its foreground group is not for it
    // Also when it is asked to leave: only the container's end may end it.
    const kill = @intFromEnum(linux.SIG.KILL);
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), kill, 0, 0, 0);
    const null_fd = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
    for (0..3) |fd| _ = linux.dup3(@intCast(null_fd), @intCast(fd), 0);
    if (device == device_fd) {
        _ = linux.fcntl(device, linux.F.SETFD, 0);
    } else {
        _ = linux.dup3(device, device_fd, 0);
    }
    sys.closeOnExecFrom(device_fd + 1);
    const envp = [_:null]?[*:0]const u8{"PATH=/usr/bin:/bin"};
    _ = linux.execve(program, argv, &envp);
    linux.exit_group(127);
}

test "optionsOf()" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const options = try optionsOf(arena, &.{
        .kind = .@"fuse-overlayfs",
        .lower = &.{ "/a", "/c" },
        .upper = "/e",
        .work = "/f",
    });
    try std.testing.expectEqualStrings("lowerdir=/a:/c,upperdir=/e,workdir=/f", options);
    const bad: contract.Rootfs = .{ .kind = .@"fuse-overlayfs", .lower = &.{"/a:b"} };
    try std.testing.expectError(error.Syscall, optionsOf(arena, &bad));
}
