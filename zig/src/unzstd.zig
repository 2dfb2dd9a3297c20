//! `native unzstd`: Zstandard frames on descriptor 0 -> their content on descriptor 1, with a window of 128 MiB at most.
//! Status 1: damaged; 2: the window is larger; 125: a descriptor failed.
const std = @import("std");
const sys = @import("sys.zig");
const zstd = @import("zstd");
const linux = sys.linux;

const Status = enum(u8) { decoded = 0, damaged = 1, window_too_large = 2, failed = 125 };

/// What the verb has and no other process is to have in its address space.
const Memory = struct {
    window: [zstd.stream.buffer_size]u8,
    input: zstd.stream.Input(Descriptors),
};

const Descriptors = struct {
    pub fn read(_: Descriptors, buffer: []u8) sys.Error!usize {
        while (true) {
            const rc = linux.read(0, buffer.ptr, buffer.len);
            if (linux.errno(rc) != .INTR) return sys.check("read", "", rc);
        }
    }

    pub fn write(_: Descriptors, bytes: []const u8) sys.Error!void {
        try sys.writeAll(1, bytes);
    }
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return @intFromEnum(if (args.len > 0) Status.failed else decode());
}

fn decode() Status {
    const memory = std.heap.page_allocator.create(Memory) catch return .failed;
    memory.input = .{ .source = .{} };
    zstd.stream.decode(&memory.input, Descriptors{}, &memory.window) catch |err| return switch (err) {
        error.Corrupt => .damaged,
        error.WindowTooLarge => .window_too_large,
        error.Syscall => .failed,
    };
    return .decoded;
}
