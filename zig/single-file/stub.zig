//! The entry point of the fused executable: Bun, and this with musl's libc linked statically, at fixed addresses.
//!
//! Theory of operation. fuse.ts has already done what a dynamic linker would: every import of Bun holds the address
//! of something linked in here. So the stub only has to (1) run a native verb, if that is what the command line says,
//! before libc, Bun or any thread exists; (2) describe Bun's segments to libc instead of its own, because the
//! thread-local storage is Bun's; (3) jump to Bun's entry point, which calls our __libc_start_main; (4) run Bun's
//! constructors and destructors when libc runs its own. What differs from one Bun to the next is in `config`.
const std = @import("std");
const builtin = @import("builtin");
const clock = @import("clock.zig");
const config = @import("config");
const environment = @import("environment.zig");
const elf = std.elf;
const format = @import("snapshot/format.zig");
const resuming = @import("snapshot/resume.zig");
const taking = @import("snapshot/take.zig");
const stack_copy = @import("snapshot/stack.zig");
const linux = std.os.linux;

comptime {
    _ = @import("cxx.zig");
    _ = @import("memory.zig");
    // libc's `environ` is the one in Bun's memory: COPY relocations move a variable into the executable.
    for ([_][]const u8{ "environ", "__environ", "_environ", "___environ" }) |name| {
        asm (std.fmt.comptimePrint(".globl {s}\n.set {s}, {d}", .{ name, name, config.environ_address }));
    }
}

pub const panic = std.debug.no_panic;

extern fn __errno_location() *c_int;
extern fn tspod_use_auxiliary([*]elf.Auxv) void;
extern fn tspod_native(usize, [*]const [*:0]const u8, [*:null]const ?[*:0]const u8, [*]elf.Auxv) c_int;

/// `stack` is what the kernel put there: argc, argv..., null, environment..., null, auxiliary vector.
fn prepare(given: [*]usize) callconv(.c) Prepared {
    var stack = given;
    const argc = stack[0];
    const environ = stack + 1 + argc + 1;
    var end = environ;
    while (end[0] != 0) end += 1;
    var auxiliary: [*]elf.Auxv = @ptrCast(end + 1);

    const status = tspod_native(argc, @ptrCast(stack + 1), @ptrCast(environ), auxiliary);
    if (status >= 0) linux.exit_group(status);

    if (format.is_supported) {
        if (environment.get(@ptrCast(environ), format.resume_variable)) |number| {
            const fd = std.fmt.parseInt(linux.fd_t, number, 10) catch -1;
            if (fd >= 0) resuming.@"resume"(fd, .{
                .environ = @intFromPtr(environ),
                .environ_address = config.environ_address,
                .auxiliary = auxiliary,
            });
        }
        const is_asked = environment.get(@ptrCast(environ), format.take_variable) != null;
        if (is_asked) if (stack_copy.copy(stack, environ, auxiliary)) |copied| {
            is_for_snapshot = true;
            stack = copied.stack;
            auxiliary = copied.auxiliary;
            tspod_use_auxiliary(auxiliary);
        };
    }
    if (!is_for_snapshot) clock.useVdso();

    var i: usize = 0;
    while (auxiliary[i].a_type != elf.AT_NULL) : (i += 1) switch (auxiliary[i].a_type) {
        elf.AT_PHDR => auxiliary[i].a_un.a_val = config.program_headers_address,
        elf.AT_PHNUM => auxiliary[i].a_un.a_val = config.program_headers_count,
        elf.AT_ENTRY => auxiliary[i].a_un.a_val = config.entry_address,
        else => {},
    };
    return .{ .entry = config.entry_address, .stack = stack };
}

const Prepared = extern struct { entry: usize, stack: [*]usize };

/// This process is started to be written into a file.
var is_for_snapshot = false;

extern var __thread_list_lock: c_int; // what musl gives to set_tid_address(2)

fn takeSnapshot(stack_pointer: usize) callconv(.c) noreturn {
    taking.take(.{
        .stack_pointer = stack_pointer,
        .clear = @intFromPtr(&__thread_list_lock),
        .thread_id = @intFromPtr(__errno_location()) - @sizeOf(c_int), // musl's struct pthread; take() makes sure
    });
}

comptime {
    if (format.is_supported) @export(&takeSnapshot, .{ .name = "tspod_take" });
}

/// access(2), by which the program also says that it has loaded all there is to load: 0, in a later process.
fn access(path: [*:0]const u8, mode: c_int) callconv(.c) c_int {
    if (format.is_supported and is_for_snapshot and std.mem.orderZ(u8, path, format.asked_path) == .eq) {
        return resuming.tspod_save();
    }
    const rc = linux.access(path, @bitCast(mode));
    if (linux.errno(rc) == .SUCCESS) return 0;
    __errno_location().* = @intFromEnum(linux.errno(rc));
    return -1;
}

export fn fuse_start() callconv(.naked) noreturn {
    switch (builtin.cpu.arch) {
        .x86_64 => asm volatile (
            \\ xorl %%ebp, %%ebp
            \\ movq %%rsp, %%rbx
            \\ movq %%rsp, %%rdi
            \\ andq $-16, %%rsp
            \\ callq %[prepare:P]
            \\ movq %%rdx, %%rsp
            \\ xorl %%edx, %%edx
            \\ jmpq *%%rax
            :
            : [prepare] "X" (&prepare),
        ),
        .aarch64 => asm volatile (
            \\ mov x29, #0
            \\ mov x30, #0
            \\ mov x0, sp
            \\ bl %[prepare]
            \\ mov x16, x0
            \\ mov sp, x1
            \\ mov x0, #0
            \\ br x16
            :
            : [prepare] "X" (&prepare),
        ),
        else => @compileError("no entry point written for this architecture"),
    }
}

const Hook = *const fn () callconv(.c) void;

export const run_constructors: Hook linksection(".init_array") = &runConstructors;
export const run_destructors: Hook linksection(".fini_array") = &runDestructors;

extern var __stack_chk_guard: usize;

fn runConstructors() callconv(.c) void {
    if (config.stack_guard_address != 0) {
        @as(*usize, @ptrFromInt(config.stack_guard_address)).* = __stack_chk_guard;
    }
    const hooks: [*]const Hook = @ptrFromInt(config.constructors_address);
    for (hooks[0..config.constructors_count]) |hook| hook();
}

fn runDestructors() callconv(.c) void {
    const hooks: [*]const Hook = @ptrFromInt(config.destructors_address);
    var i: usize = config.destructors_count;
    while (i > 0) {
        i -= 1;
        hooks[i]();
    }
}

/// Bun raises the limit of open files to the hard one when it starts, and everything it starts would inherit that.
/// The limit is the user's: it is said to be raised and stays. Other limits are set as asked.
fn setLimit(resource: c_int, limit: *const linux.rlimit) callconv(.c) c_int {
    if (resource == @intFromEnum(linux.rlimit_resource.NOFILE)) return 0;
    const rc = linux.setrlimit(@enumFromInt(resource), limit);
    if (linux.errno(rc) == .SUCCESS) return 0;
    __errno_location().* = @intFromEnum(linux.errno(rc));
    return -1;
}

fn getTime(which: c_int, time: *linux.timespec) callconv(.c) c_int {
    const rc = clock.get(which, time);
    if (rc == 0) return 0;
    __errno_location().* = @intCast(-rc);
    return -1;
}

fn advise(address: usize, size: usize, advice: c_int) callconv(.c) c_int {
    const why = resuming.advise(address, size, @bitCast(advice));
    if (why == .SUCCESS) return 0;
    __errno_location().* = @intFromEnum(why);
    return -1;
}

const Arguments = [*:null]const ?[*:0]const u8;

/// Who becomes our own verb `exit` (src/main.ts) wants nothing but to end, without what Bun does at exit. That needs no
/// other program: half a millisecond of each command.
fn execute(path: [*:0]const u8, argv: Arguments, environ: Arguments) callconv(.c) c_int {
    if (std.mem.orderZ(u8, path, "/proc/self/exe") == .eq) if (statusOf(argv)) |status| linux.exit_group(status);
    __errno_location().* = @intFromEnum(linux.errno(linux.execve(path, argv, environ)));
    return -1;
}

/// Of `... native exit STATUS`; null: it is something else.
fn statusOf(argv: Arguments) ?u8 {
    if (argv[0] == null) return null;
    for ([_][*:0]const u8{ "native", "exit" }, 1..) |word, i| {
        if (std.mem.orderZ(u8, argv[i] orelse return null, word) != .eq) return null;
    }
    const status = std.mem.span(argv[3] orelse return null);
    return if (argv[4] == null) std.fmt.parseInt(u8, status, 10) catch null else null;
}

comptime {
    @export(&setLimit, .{ .name = "setrlimit" });
    @export(&execute, .{ .name = "execve" });
    @export(&getTime, .{ .name = "clock_gettime" });
    @export(&getTime, .{ .name = "__clock_gettime" });
    @export(&advise, .{ .name = "madvise" });
    @export(&advise, .{ .name = "__madvise" });
    @export(&access, .{ .name = "access" });
}
