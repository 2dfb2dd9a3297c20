//! fuse-overlayfs, where the kernel refuses native overlays: the program runs in the container's user and mount
//! namespace but outside of its pid namespace, so that nobody inside can see or kill it. It ends with the mount.
const std = @import("std");
const sys = @import("../sys.zig");
const root = @import("root.zig");
const linux = sys.linux;

/// Mount the layers at `root_path` in the namespaces of the process behind `pidfd`.
pub fn mount(pidfd: linux.fd_t, plan: *const root.Plan) sys.Error!void {
    const rootfs = &plan.rootfs;
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const lower = std.mem.join(arena, ":", asSlices(arena, rootfs.lower) catch return outOfMemory()) catch return outOfMemory();
    const options = std.fmt.allocPrintSentinel(arena, "lowerdir={s},upperdir={s},workdir={s}", .{
        lower, rootfs.upper, rootfs.work,
    }, 0) catch return outOfMemory();
    const argv = [_:null]?[*:0]const u8{ rootfs.program, "-o", options, plan.root_path };
    const pid = try sys.check("fork", rootfs.program, linux.fork());
    if (pid == 0) run(pidfd, rootfs.program, &argv);
    // It goes into the background once the mount is there.
    if (try sys.waitExit(@intCast(pid)) != 0) return sys.failFormat("mount", "{s} failed", .{rootfs.program});
}

fn asSlices(arena: std.mem.Allocator, texts: []const [:0]const u8) ![]const []const u8 {
    const slices = try arena.alloc([]const u8, texts.len);
    for (texts, slices) |text, *slice| slice.* = text;
    return slices;
}

fn outOfMemory() sys.Error {
    return sys.fail("mount", "out of memory");
}

fn run(pidfd: linux.fd_t, program: [:0]const u8, argv: [*:null]const ?[*:0]const u8) noreturn {
    const joined = linux.setns(pidfd, linux.CLONE.NEWUSER | linux.CLONE.NEWNS);
    if (linux.errno(joined) != .SUCCESS) linux.exit_group(1);
    _ = linux.setresgid(0, 0, 0);
    _ = linux.setresuid(0, 0, 0);
    const null_fd = linux.open("/dev/null", .{ .ACCMODE = .RDWR }, 0);
    for (0..3) |fd| _ = linux.dup3(@intCast(null_fd), @intCast(fd), 0);
    sys.closeOnExecFrom(3);
    const envp = [_:null]?[*:0]const u8{"PATH=/usr/bin:/bin"};
    _ = linux.execve(program, argv, &envp);
    linux.exit_group(127);
}
