//! The launcher's part: is there a snapshot of this boot beside the program? If not, one is made, once in a boot, by a
//! process in the background that has nothing of the user's: no terminal, no descriptor, no environment.
const std = @import("std");
const format = @import("format.zig");
const cache = @import("../cache.zig");
const linux = std.os.linux;
const fd_t = linux.fd_t;

/// The variable that tells the stub which descriptor to go on from; that one is passed on. Null: start as always.
pub fn find(directory: fd_t, buffer: []u8) ?[*:0]const u8 {
    if (!format.is_supported) return null;
    const fd = findFile(directory) orelse return null;
    return (std.fmt.bufPrintZ(buffer, format.resume_variable ++ "={d}", .{fd}) catch unreachable).ptr;
}

fn findFile(directory: fd_t) ?fd_t {
    var boot_id: [format.boot_id_size]u8 = undefined;
    if (!format.readBootId(&boot_id)) return null;
    const fd = open(directory) orelse {
        make(directory, &boot_id);
        return null;
    };
    if (isUsable(fd, &boot_id)) |usable| {
        if (usable) return fd;
    } else make(directory, &boot_id);
    _ = linux.close(fd);
    return null;
}

fn open(directory: fd_t) ?fd_t {
    const rc = linux.openat(directory, format.name, .{ .NOFOLLOW = true }, 0);
    return if (linux.errno(rc) == .SUCCESS) @intCast(rc) else null;
}

/// Null: it is of another boot. False: that of this boot has not come to an end, or cannot be trusted.
fn isUsable(fd: fd_t, boot_id: *const [format.boot_id_size]u8) ?bool {
    var start: format.Start = undefined;
    if (linux.pread(fd, @ptrCast(&start), @sizeOf(format.Start), 0) != @sizeOf(format.Start)) return null;
    if (start.magic != format.magic or !std.mem.eql(u8, &start.boot_id, boot_id)) return null;
    const stat = cache.status(fd, "") catch return false;
    return cache.isOurs(&stat) and stat.size == start.file_size and start.file_size > format.header_size;
}

/// flock(2)
const lock_exclusive_nonblocking = 2 | 4;

fn make(directory: fd_t, boot_id: *const [format.boot_id_size]u8) void {
    const rc = linux.openat(directory, ".", .{ .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return;
    const locked: fd_t = @intCast(rc);
    defer _ = linux.close(locked);
    // it is held until the process that makes it has ended; another is made by whoever is first, and by nobody else
    if (linux.errno(linux.flock(locked, lock_exclusive_nonblocking)) != .SUCCESS) return;
    if (open(directory)) |fd| {
        defer _ = linux.close(fd);
        if (isUsable(fd, boot_id) != null) return;
    }
    if (!noteAttempt(directory, boot_id)) return;
    const child = linux.fork();
    if (linux.errno(child) != .SUCCESS) return;
    if (child != 0) {
        var status: u32 = 0;
        _ = linux.waitpid(@intCast(child), &status, 0);
        return;
    }
    _ = linux.setsid();
    if (linux.fork() == 0) begin(directory, locked);
    linux.exit_group(0); // what it leaves is nobody's child: the program's user has none to wait for
}

/// A process that dies while it makes one is not started again before the next boot.
fn noteAttempt(directory: fd_t, boot_id: *const [format.boot_id_size]u8) bool {
    _ = linux.unlinkat(directory, format.temporary, 0);
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .NOFOLLOW = true, .CLOEXEC = true };
    const rc = linux.openat(directory, format.temporary, flags, 0o600);
    if (linux.errno(rc) != .SUCCESS) return false;
    const fd: fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    const note: format.Start = .{ .magic = format.magic, .file_size = 0, .boot_id = boot_id.* };
    if (linux.write(fd, @ptrCast(&note), @sizeOf(format.Start)) != @sizeOf(format.Start)) return false;
    return linux.errno(linux.renameat(directory, format.temporary, directory, format.name)) == .SUCCESS;
}

fn begin(directory: fd_t, locked: fd_t) noreturn {
    const default: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.DFL }, .mask = @splat(0), .flags = 0 };
    for (1..65) |number| _ = linux.sigaction(@enumFromInt(number), &default, null);
    const none = std.mem.zeroes(linux.sigset_t);
    _ = linux.sigprocmask(linux.SIG.SETMASK, &none, null);
    _ = linux.chdir("/");

    // 0 to 2 and the places before `descriptor_first` hold /dev/null, `directory_descriptor` the directory, others nothing
    const program = linux.dup3(directory, format.directory_descriptor + 1, close_on_exec);
    const kept = linux.dup3(locked, format.directory_descriptor, 0);
    const null_device = linux.open("/dev/null", .{ .ACCMODE = .RDWR }, 0);
    for ([_]usize{ program, kept, null_device }) |rc| if (linux.errno(rc) != .SUCCESS) linux.exit_group(1);
    for (0..format.descriptor_first) |n| {
        if (n == null_device) continue;
        if (linux.errno(linux.dup2(@intCast(null_device), @intCast(n))) != .SUCCESS) linux.exit_group(1);
    }
    _ = linux.syscall3(.close_range, format.descriptor_first, format.directory_descriptor - 1, 0);
    _ = linux.syscall3(.close_range, format.directory_descriptor + 2, std.math.maxInt(u32), 0);

    const argv = [_:null]?[*:0]const u8{ cache.program, format.take_argument };
    const environ = [_:null]?[*:0]const u8{ "BUN_JSC_useJIT=0", format.take_variable ++ "=1" };
    const at = format.directory_descriptor + 1;
    const path = @intFromPtr(cache.program.ptr);
    _ = linux.syscall5(.execveat, at, path, @intFromPtr(&argv), @intFromPtr(&environ), linux.AT.SYMLINK_NOFOLLOW);
    linux.exit_group(1);
}

const close_on_exec: u32 = @bitCast(linux.O{ .CLOEXEC = true });
