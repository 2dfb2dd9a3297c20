//! Writes this process into a file, from which later ones go on (resume.zig).
//!
//! Theory of operation. Bun has started, our modules are loaded, nothing has been asked yet: no thread, no child, no open
//! file, no terminal, no random number drawn. What has been written to in all that time goes into the file, and what the
//! kernel knows of us: signal handlers, the thread pointer, the event loop's two descriptors. Anything that is not known
//! here means that no snapshot is taken.
const std = @import("std");
const clock = @import("../clock.zig");
const format = @import("format.zig");
const mappings = @import("mappings.zig");
const linux = std.os.linux;
const check = mappings.check;
const Error = mappings.Error;
const Mapping = mappings.Mapping;
const Scratch = mappings.Scratch;

const page_size = format.page_size;
const descriptors_end = 1024;
/// So many empty pages between two runs are written, too, for one mapping instead of two.
const gap_max = 4;

/// Addresses that only the stub knows.
pub const Addresses = struct {
    /// Where the registers are saved.
    stack_pointer: usize,
    /// What the kernel clears when the thread ends: set_tid_address(2).
    clear: usize,
    /// Where libc keeps the thread's number.
    thread_id: usize,
};

/// The process that is written ends with this. Whoever started it looks at the file, not at the status.
pub fn take(addresses: Addresses) noreturn {
    attempt(addresses) catch |err| linux.exit_group(switch (err) {
        error.Unknown => 2,
        error.TooMany => 3,
        error.Failed => 4,
    });
    linux.exit_group(0);
}

fn attempt(addresses: Addresses) Error!void {
    _ = linux.syscall3(.close_range, 3, format.descriptor_first - 1, 0); // they only kept the places taken
    const scratch: *Scratch = try .map();
    const header = &scratch.header;
    header.magic = format.magic;
    header.stack_pointer = addresses.stack_pointer;
    header.clear_address = addresses.clear;
    header.thread_id_address = addresses.thread_id;
    if (!format.readBootId(&header.boot_id)) return error.Failed;
    if (@as(*const c_int, @ptrFromInt(addresses.thread_id)).* != linux.gettid()) return error.Unknown;
    _ = try check(linux.syscall2(.arch_prctl, get_fs, @intFromPtr(&header.thread_pointer)));
    _ = try check(linux.sigaltstack(null, &header.signal_stack));
    try noteSignals(header);
    try noteDescriptors(header, scratch.text[0..4096]);
    try refuseWipedMemory(&scratch.text);
    try requireOneThread(&scratch.text);

    header.taken_ns = clock.monotonicNs();
    try mappings.forEach(scratch, scratch, note);
    try write(header);
}

const get_fs = 0x1003; // ARCH_GET_FS: arch_prctl(2)

/// Memory that is empty in a child of fork(2) is how a generator of random numbers sees that it has become two: it must
/// not have been asked yet, or each process that goes on from here would draw the same.
fn refuseWipedMemory(text: []u8) Error!void {
    const smaps = try mappings.readAll("/proc/self/smaps", text);
    var lines = std.mem.tokenizeScalar(u8, smaps, '\n');
    while (lines.next()) |line| {
        if (std.mem.startsWith(u8, line, "VmFlags:") and std.mem.indexOf(u8, line, " wf") != null) return error.Unknown;
    }
}

fn requireOneThread(text: []u8) Error!void {
    const status = try mappings.readAll("/proc/self/status", text);
    if (std.mem.indexOf(u8, status, "\nThreads:\t1\n") == null) return error.Unknown;
}

fn note(scratch: *Scratch, mapping: Mapping) Error!void {
    const header = &scratch.header;
    const is_program = mapping.isProgram();
    if (!is_program) {
        if (mapping.is_shared or mapping.name.len > 0) return error.Unknown;
        if (header.region_count == format.regions_max) return error.TooMany;
        header.regions[header.region_count] = .{
            .start = mapping.start,
            .end = mapping.end,
            .protection = mapping.protection,
        };
        header.region_count += 1;
    }
    if (!mapping.mayRead() or (is_program and mapping.mayExecute())) return; // nobody has written to it
    // what lies below the stack pointer is not needed any more
    const is_stack = mapping.start <= header.stack_pointer and header.stack_pointer < mapping.end;
    const from = if (is_stack) std.mem.alignBackward(usize, header.stack_pointer, page_size) else mapping.start;
    var runs: Runs = .{ .header = header, .mapping = mapping };
    try mappings.forEachPage(scratch, mapping, from, &runs, Runs.add);
}

/// Of one mapping.
const Runs = struct {
    header: *format.Header,
    mapping: Mapping,
    last: ?*format.Run = null,

    fn add(runs: *Runs, page: usize, entry: mappings.Entry) Error!void {
        const is_program = runs.mapping.isProgram();
        if (!entry.isWritten() or (!is_program and isZero(page))) return;
        if (runs.last) |last| if (page - last.end <= gap_max * page_size) {
            last.end = page + page_size;
            return;
        };
        const header = runs.header;
        if (header.run_count == format.runs_max) return error.TooMany;
        runs.last = &header.runs[header.run_count];
        header.run_count += 1;
        runs.last.?.* = .{
            .start = page,
            .end = page + page_size,
            .offset = 0,
            .protection = runs.mapping.protection,
            .is_program = @intFromBool(is_program),
        };
    }
};

fn isZero(page: usize) bool {
    const words = @as([*]const u64, @ptrFromInt(page))[0 .. page_size / 8];
    for (words) |word| if (word != 0) return false;
    return true;
}

fn noteSignals(header: *format.Header) Error!void {
    for (1..65) |number| {
        if (number == 9 or number == 19) continue; // SIGKILL, SIGSTOP
        var action: format.KernelAction = undefined;
        _ = try check(linux.syscall4(.rt_sigaction, number, 0, @intFromPtr(&action), 8));
        if (action.handler == 0) continue;
        if (header.signal_count == format.signals_max) return error.TooMany;
        header.signals[header.signal_count] = .{ .number = @intCast(number), .action = action };
        header.signal_count += 1;
    }
}

fn noteDescriptors(header: *format.Header, buffer: []u8) Error!void {
    for (3..descriptors_end) |n| {
        const fd: linux.fd_t = @intCast(n);
        if (fd == format.directory_descriptor) continue;
        if (linux.errno(linux.fcntl(fd, linux.F.GETFD, 0)) != .SUCCESS) continue;
        if (header.descriptor_count == format.descriptors_max) return error.TooMany;
        const descriptor = &header.descriptors[header.descriptor_count];
        header.descriptor_count += 1;
        descriptor.* = .{ .kind = try kindOf(fd, buffer), .number = fd };
        if (descriptor.kind == .epoll) try noteWatched(descriptor, buffer);
    }
}

fn kindOf(fd: linux.fd_t, buffer: []u8) Error!format.DescriptorKind {
    var path_buffer: [40]u8 = undefined;
    const path = std.fmt.bufPrintZ(&path_buffer, "/proc/self/fd/{d}", .{fd}) catch unreachable;
    const target = buffer[0..try check(linux.readlink(path, buffer.ptr, buffer.len))];
    if (std.mem.eql(u8, target, "anon_inode:[eventpoll]")) return .epoll;
    if (std.mem.eql(u8, target, "anon_inode:[eventfd]")) return .eventfd;
    return error.Unknown;
}

/// proc_pid_fdinfo(5): `tfd: DECIMAL events: HEXADECIMAL data: HEXADECIMAL ...`, a line for each.
fn noteWatched(descriptor: *format.Descriptor, buffer: []u8) Error!void {
    var path_buffer: [40]u8 = undefined;
    const path = std.fmt.bufPrintZ(&path_buffer, "/proc/self/fdinfo/{d}", .{descriptor.number}) catch unreachable;
    var lines = std.mem.tokenizeScalar(u8, try mappings.readAll(path, buffer), '\n');
    while (lines.next()) |line| {
        if (!std.mem.startsWith(u8, line, "tfd:")) continue;
        if (descriptor.watched != -1) return error.TooMany;
        var words = std.mem.tokenizeAny(u8, line, ": ");
        var values: [3][]const u8 = undefined;
        for (&values) |*value| {
            _ = words.next();
            value.* = words.next() orelse return error.Unknown;
        }
        descriptor.watched = std.fmt.parseInt(i32, values[0], 10) catch return error.Unknown;
        descriptor.events = std.fmt.parseInt(u32, values[1], 16) catch return error.Unknown;
        descriptor.data = std.fmt.parseInt(u64, values[2], 16) catch return error.Unknown;
    }
}

fn write(header: *format.Header) Error!void {
    const directory = format.directory_descriptor;
    _ = linux.unlinkat(directory, format.temporary, 0);
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .EXCL = true, .NOFOLLOW = true, .CLOEXEC = true };
    const fd: linux.fd_t = @intCast(try check(linux.openat(directory, format.temporary, flags, 0o600)));
    errdefer _ = linux.unlinkat(directory, format.temporary, 0);
    var offset: u64 = format.header_size;
    for (header.runs[0..header.run_count]) |*run| {
        run.offset = offset;
        try writeBytes(fd, run.start, run.end - run.start, offset);
        offset += run.end - run.start;
    }
    header.file_size = offset;
    try writeBytes(fd, @intFromPtr(header), @sizeOf(format.Header), 0);
    _ = try check(linux.renameat(directory, format.temporary, directory, format.name)); // no fsync: it is of one boot
}

fn writeBytes(fd: linux.fd_t, start: usize, size: usize, offset: u64) Error!void {
    var done: usize = 0;
    while (done < size) {
        const bytes: [*]const u8 = @ptrFromInt(start + done);
        const n = try check(linux.pwrite(fd, bytes, size - done, @intCast(offset + done)));
        if (n == 0) return error.Failed;
        done += n;
    }
}
