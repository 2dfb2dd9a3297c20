//! Writes this process into a file, from which later ones go on (resume.zig).
//!
//! Theory of operation. Bun has started, our modules are loaded, nothing has been asked yet: no thread, no child, no open
//! file, no terminal, no random number drawn. /proc/self/maps says what is mapped, /proc/self/pagemap which of it was
//! written to; those pages go into the file, and with them what the kernel knows of us: signal handlers, the thread
//! pointer, the event loop's two descriptors. Anything that is not known here means that no snapshot is taken.
const std = @import("std");
const clock = @import("../clock.zig");
const format = @import("format.zig");
const linux = std.os.linux;

const page_size = format.page_size;
/// The program, libc and the stub lie below; what the kernel or Bun chose lies above.
const program_end = 0x2000_0000;
const scratch_size = 4 << 20;
const descriptors_end = 1024;
/// So many empty pages between two runs are written, too, for one mapping instead of two.
const gap_max = 4;

const Error = error{ Unknown, TooMany, Failed };

/// Addresses that only the stub knows.
pub const Addresses = struct {
    /// Where the registers are saved.
    stack_pointer: usize,
    /// What the kernel clears when the thread ends: set_tid_address(2).
    clear: usize,
    /// Where libc keeps the thread's number.
    thread_id: usize,
};

const Mapping = struct {
    start: usize,
    end: usize,
    protection: u32,
    is_shared: bool,
    name: []const u8,
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

fn check(rc: usize) Error!usize {
    return if (linux.errno(rc) == .SUCCESS) rc else error.Failed;
}

fn attempt(addresses: Addresses) Error!void {
    _ = linux.syscall3(.close_range, 3, format.descriptor_first - 1, 0); // they only kept the places taken
    // what this needs itself is mapped last, and no part of what is written
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true };
    const scratch = try check(linux.mmap(null, scratch_size, .{ .READ = true, .WRITE = true }, flags, -1, 0));
    const header: *format.Header = @ptrFromInt(scratch);
    const half = (scratch_size - format.header_size) / 2 & ~@as(usize, 7);
    const text = @as([*]u8, @ptrFromInt(scratch + format.header_size))[0..half];
    const entries = @as([*]u64, @ptrFromInt(scratch + format.header_size + half))[0 .. half / 8];

    header.magic = format.magic;
    header.taken_ns = clock.monotonicNs();
    header.stack_pointer = addresses.stack_pointer;
    header.clear_address = addresses.clear;
    header.thread_id_address = addresses.thread_id;
    if (!format.readBootId(&header.boot_id)) return error.Failed;
    if (@as(*const c_int, @ptrFromInt(addresses.thread_id)).* != linux.gettid()) return error.Unknown;
    _ = try check(linux.syscall2(.arch_prctl, get_fs, @intFromPtr(&header.thread_pointer)));
    _ = try check(linux.sigaltstack(null, &header.signal_stack));
    try noteSignals(header);
    try noteDescriptors(header, text[0..4096]);
    try refuseWipedMemory(text);
    try requireOneThread(text);

    const maps = try readAll("/proc/self/maps", text);
    const pagemap: linux.fd_t = @intCast(try check(linux.open("/proc/self/pagemap", .{ .CLOEXEC = true }, 0)));
    var lines = std.mem.tokenizeScalar(u8, maps, '\n');
    while (lines.next()) |line| {
        const mapping = try parse(line);
        // the kernel may have joined our own with a neighbour
        inline for (.{ .{ mapping.start, @min(mapping.end, scratch) }, .{ @max(mapping.start, scratch + scratch_size), mapping.end } }) |part| {
            var other = mapping;
            other.start, other.end = part;
            if (other.start < other.end) try note(header, other, pagemap, entries);
        }
    }
    try write(header);
}

const get_fs = 0x1003; // ARCH_GET_FS: arch_prctl(2)

/// Memory that is empty in a child of fork(2) is how a generator of random numbers sees that it has become two: it must
/// not have been asked yet, or each process that goes on from here would draw the same.
fn refuseWipedMemory(text: []u8) Error!void {
    const smaps = try readAll("/proc/self/smaps", text);
    var lines = std.mem.tokenizeScalar(u8, smaps, '\n');
    while (lines.next()) |line| {
        if (std.mem.startsWith(u8, line, "VmFlags:") and std.mem.indexOf(u8, line, " wf") != null) return error.Unknown;
    }
}

/// Of this the kernel makes each process its own.
fn isKernels(name: []const u8) bool {
    return std.mem.startsWith(u8, name, "[v") or std.mem.eql(u8, name, "[stack]");
}

fn note(header: *format.Header, mapping: Mapping, pagemap: linux.fd_t, entries: []u64) Error!void {
    if (isKernels(mapping.name)) return;
    const is_program = mapping.end <= program_end;
    if (!is_program and (mapping.is_shared or mapping.name.len > 0)) return error.Unknown;
    if (!is_program) {
        if (header.region_count == format.regions_max) return error.TooMany;
        header.regions[header.region_count] = .{ .start = mapping.start, .end = mapping.end, .protection = mapping.protection };
        header.region_count += 1;
    }
    if (mapping.protection & 1 == 0) return; // PROT_READ
    if (is_program and mapping.protection & 4 != 0) return; // PROT_EXEC: nobody has written to it
    var at = mapping.start;
    // what lies below the stack pointer is not needed any more
    if (mapping.start <= header.stack_pointer and header.stack_pointer < mapping.end) at = header.stack_pointer & ~@as(usize, page_size - 1);
    var run: ?*format.Run = null;
    while (at < mapping.end) {
        const count = @min(entries.len, (mapping.end - at) / page_size);
        const size = try check(linux.pread(pagemap, @ptrCast(entries.ptr), count * 8, @intCast(at / page_size * 8)));
        if (size == 0) return error.Failed;
        for (entries[0 .. size / 8], 0..) |entry, i| {
            if (!isWritten(entry)) continue;
            const page = at + i * page_size;
            if (!is_program and isZero(page)) continue;
            if (run) |r| if (page - r.end <= gap_max * page_size) {
                r.end = page + page_size;
                continue;
            };
            if (header.run_count == format.runs_max) return error.TooMany;
            run = &header.runs[header.run_count];
            header.run_count += 1;
            run.?.* = .{ .start = page, .end = page + page_size, .offset = 0, .protection = mapping.protection, .is_program = @intFromBool(is_program) };
        }
        at += size / 8 * page_size;
    }
}

/// Linux, Documentation/admin-guide/mm/pagemap.rst: bit 63 present, 62 swapped, 61 of a file.
fn isWritten(entry: u64) bool {
    return entry >> 62 != 0 and entry >> 61 & 1 == 0;
}

fn isZero(page: usize) bool {
    const words = @as([*]const u64, @ptrFromInt(page))[0 .. page_size / 8];
    for (words) |word| if (word != 0) return false;
    return true;
}

/// A line of /proc/PID/maps: `START-END PERMISSIONS OFFSET DEVICE INODE NAME`.
fn parse(line: []const u8) Error!Mapping {
    var words = std.mem.tokenizeScalar(u8, line, ' ');
    const range = words.next() orelse return error.Unknown;
    const permissions = words.next() orelse return error.Unknown;
    for (0..3) |_| _ = words.next();
    const dash = std.mem.indexOfScalar(u8, range, '-') orelse return error.Unknown;
    if (permissions.len != 4) return error.Unknown;
    var protection: u32 = 0;
    if (permissions[0] == 'r') protection |= 1;
    if (permissions[1] == 'w') protection |= 2;
    if (permissions[2] == 'x') protection |= 4;
    return .{
        .start = std.fmt.parseInt(usize, range[0..dash], 16) catch return error.Unknown,
        .end = std.fmt.parseInt(usize, range[dash + 1 ..], 16) catch return error.Unknown,
        .protection = protection,
        .is_shared = permissions[3] != 'p',
        .name = words.rest(),
    };
}

fn requireOneThread(text: []u8) Error!void {
    const status = try readAll("/proc/self/status", text);
    if (std.mem.indexOf(u8, status, "\nThreads:\t1\n") == null) return error.Unknown;
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
        var path_buffer: [40]u8 = undefined;
        const path = std.fmt.bufPrintZ(&path_buffer, "/proc/self/fd/{d}", .{fd}) catch unreachable;
        const size = try check(linux.readlink(path, buffer.ptr, buffer.len));
        const kind: format.DescriptorKind = if (std.mem.eql(u8, buffer[0..size], "anon_inode:[eventpoll]"))
            .epoll
        else if (std.mem.eql(u8, buffer[0..size], "anon_inode:[eventfd]")) .eventfd else return error.Unknown;
        const descriptor = &header.descriptors[header.descriptor_count];
        descriptor.* = .{ .kind = kind, .number = fd };
        header.descriptor_count += 1;
        if (kind != .epoll) continue;
        const info_path = std.fmt.bufPrintZ(&path_buffer, "/proc/self/fdinfo/{d}", .{fd}) catch unreachable;
        const info = try readAll(info_path, buffer);
        // tfd:        4 events:       19 data:     ffff888000000000  pos:0 ino:... sdev:...
        var lines = std.mem.tokenizeScalar(u8, info, '\n');
        while (lines.next()) |line| {
            if (!std.mem.startsWith(u8, line, "tfd:")) continue;
            if (descriptor.watched != -1) return error.TooMany;
            var words = std.mem.tokenizeAny(u8, line, ": ");
            _ = words.next();
            descriptor.watched = std.fmt.parseInt(i32, words.next() orelse return error.Unknown, 10) catch return error.Unknown;
            _ = words.next();
            descriptor.events = std.fmt.parseInt(u32, words.next() orelse return error.Unknown, 16) catch return error.Unknown;
            _ = words.next();
            descriptor.data = std.fmt.parseInt(u64, words.next() orelse return error.Unknown, 16) catch return error.Unknown;
        }
    }
}

fn readAll(path: [*:0]const u8, buffer: []u8) Error![]u8 {
    const fd: linux.fd_t = @intCast(try check(linux.open(path, .{ .CLOEXEC = true }, 0)));
    defer _ = linux.close(fd);
    var size: usize = 0;
    while (size < buffer.len) {
        const got = try check(linux.read(fd, buffer[size..].ptr, buffer.len - size));
        if (got == 0) return buffer[0..size];
        size += got;
    }
    return error.TooMany;
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
    try writeBytes(fd, @intFromPtr(header), format.header_size, 0);
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
