//! The file that is shipped: runs native verbs itself, and starts the packed program for everything else.
//!
//! Theory of operation. The program is unpacked once into the user's cache and executed from there, relative to a
//! verified directory. Where no cache can be written or executed, it is unpacked into memory for this one run.
//! This never allocates more than a copy of the environment, has no threads and no libc.
const std = @import("std");
const cache = @import("cache.zig");
const environment = @import("environment.zig");
const payload = @import("payload.zig");
const format = @import("snapshot/format.zig");
const snapshot = @import("snapshot/offer.zig");
const linux = std.os.linux;

pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };
pub const panic = std.debug.simple_panic;

/// The helper's verbs: the object that native.zig becomes, the same as in what is unpacked.
extern fn tspod_native(usize, [*]const [*:0]const u8, environment.Environment, [*]std.elf.Auxv) c_int;

const exit_failed = 125;
const Arguments = [*:null]const ?[*:0]const u8;

pub fn main(init: std.process.Init.Minimal) u8 {
    const environ: environment.Environment = init.environ.block.slice.ptr;
    const argv = init.args.vector;
    const status = tspod_native(argv.len, argv.ptr, environ, linux.elf_aux_maybe.?);
    if (status >= 0) return @intCast(status);

    var buffer: [linux.PATH_MAX]u8 = undefined;
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const copy = environment.forBun(arena.allocator(), environ, argv, ownPath(&buffer)) catch
        return fail("There is no memory left: end another program", .{});
    ensureWorkingDirectory();
    // A limit of file sizes is to be an error, not a signal that ends us (setrlimit(2), RLIMIT_FSIZE).
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = @splat(0), .flags = 0 };
    _ = linux.sigaction(.XFSZ, &ignore, &size_action);
    const wanted = environment.isShort(argv) and !isRefused(environ);
    return start(.{ .argv = @ptrCast(argv.ptr), .environ = copy.environ, .spare = if (wanted) copy.spare else null });
}

/// What SIGXFSZ did when we were started, and will do in the program.
var size_action: linux.Sigaction = undefined;

const Command = struct {
    argv: Arguments,
    environ: environment.Environment,
    /// Where `environ` has room for the variable that names a snapshot. Null: this command starts without one.
    spare: ?*?[*:0]const u8,
};

/// A user may have each command start from the beginning.
fn isRefused(environ: environment.Environment) bool {
    const said = environment.get(environ, format.resume_variable) orelse return false;
    return std.mem.eql(u8, said, "no");
}

/// Try one place after the other. Returns only when none worked.
fn start(command: Command) u8 {
    const in_cache = startFromCaches(command) catch return damaged();
    const in_memory = startFromMemory(command) catch return damaged();
    if (in_memory == .@"2BIG") return fail("The arguments and the environment are too long: make them shorter", .{});
    return fail("Cannot unpack into a cache directory (E{t}) or into memory (E{t}): " ++
        "set XDG_CACHE_HOME to a directory of yours with 120 MB of space, where programs may be executed", .{ in_cache, in_memory });
}

/// Why the first of them, which is the one the user knows, was of no use.
/// XDG Base Directory Specification: a relative path is to be ignored.
fn startFromCaches(command: Command) error{Damaged}!linux.E {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    var why: linux.E = .SUCCESS;
    if (absolute(environment.get(command.environ, "XDG_CACHE_HOME"))) |chosen| {
        if (std.fmt.bufPrint(&buffer, "{s}/tspod", .{chosen})) |root| {
            why = try startFromCache(command, root, "/");
        } else |_| {}
    } else if (absolute(environment.get(command.environ, "HOME"))) |home| {
        if (std.fmt.bufPrint(&buffer, "{s}/.cache/tspod", .{home})) |root| {
            why = try startFromCache(command, root, home);
        } else |_| {}
    }
    const shared = std.fmt.bufPrint(&buffer, "/var/tmp/tspod-{d}", .{linux.geteuid()}) catch unreachable;
    const why_shared = try startFromCache(command, shared, "/var/tmp");
    return if (why == .SUCCESS) why_shared else why;
}

fn absolute(path: ?[:0]const u8) ?[:0]const u8 {
    const p = path orelse return null;
    return if (std.mem.startsWith(u8, p, "/")) p else null;
}

fn startFromCache(command: Command, root: []const u8, exists: []const u8) error{Damaged}!linux.E {
    const directory = cache.ensure(root, exists) catch |err| switch (err) {
        error.Damaged => return error.Damaged,
        error.Unusable => return cache.errno,
    };
    defer _ = linux.close(directory);
    var buffer: [64]u8 = undefined;
    if (command.spare) |spare| spare.* = snapshot.find(directory, &buffer);
    const why = execute(command, directory, cache.program);
    if (why != .NOEXEC) return why; // such as EACCES: programs are not executed from this file system
    cache.renew(directory) catch |err| switch (err) {
        error.Damaged => return error.Damaged,
        error.Unusable => return cache.errno,
    };
    return execute(command, directory, cache.program);
}

fn startFromMemory(command: Command) error{Damaged}!linux.E {
    const executable = 0x10; // MFD_EXEC, Linux 6.3
    var rc = linux.memfd_create(cache.program, linux.MFD.CLOEXEC | executable);
    if (linux.errno(rc) == .INVAL) rc = linux.memfd_create(cache.program, linux.MFD.CLOEXEC);
    if (linux.errno(rc) != .SUCCESS) return linux.errno(rc);
    const fd: linux.fd_t = @intCast(rc);
    payload.unpack(fd) catch |err| switch (err) {
        error.Damaged => return error.Damaged,
        error.Unwritable => return payload.unwritable_errno,
    };
    return execute(command, fd, "");
}

/// Returns only when it failed: why.
fn execute(command: Command, at: linux.fd_t, path: [*:0]const u8) linux.E {
    _ = linux.sigaction(.XFSZ, &size_action, null);
    const flags = linux.AT.EMPTY_PATH | linux.AT.SYMLINK_NOFOLLOW;
    return linux.errno(linux.syscall5(
        .execveat,
        @bitCast(@as(isize, at)),
        @intFromPtr(path),
        @intFromPtr(command.argv),
        @intFromPtr(command.environ),
        flags,
    ));
}

/// The file the user started: /proc says it best, but may not be there.
fn ownPath(buffer: *[linux.PATH_MAX]u8) []const u8 {
    const rc = linux.readlink("/proc/self/exe", buffer, buffer.len);
    if (linux.errno(rc) == .SUCCESS) return buffer[0..rc];
    const given = linux.getauxval(std.elf.AT_EXECFN);
    return if (given == 0) "" else std.mem.span(@as([*:0]const u8, @ptrFromInt(given)));
}

/// Bun ends before it runs any of our code when the directory it is in has been deleted.
fn ensureWorkingDirectory() void {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    if (linux.errno(linux.getcwd(&buffer, buffer.len)) != .NOENT) return;
    say("tspod: The working directory has been deleted: using / instead\n");
    _ = linux.chdir("/");
}

fn damaged() u8 {
    return fail("This file is damaged: what is packed in it does not match its checksum: get it again", .{});
}

fn fail(comptime what: []const u8, values: anytype) u8 {
    var buffer: [512]u8 = undefined;
    say(std.fmt.bufPrint(&buffer, "tspod: " ++ what ++ "\n", values) catch "tspod: Cannot start\n");
    return exit_failed;
}

fn say(text: []const u8) void {
    _ = linux.write(2, text.ptr, text.len);
}
