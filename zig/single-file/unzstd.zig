//! A test's way to the decoder: `unzstd SIZE` reads one frame from standard input and writes its content, which has
//! exactly that size, to standard output. `unzstd` takes any frames as they come. Status 1: they are damaged, or ask for too
//! much memory.
const std = @import("std");
const zstd = @import("zstd");
const linux = std.os.linux;

var in: [8 << 20]u8 = undefined;
var out: [zstd.stream.buffer_size]u8 = undefined;
var input: zstd.stream.Input(Standard) = .{ .source = .{} };

const Standard = struct {
    pub fn read(_: Standard, buffer: []u8) error{Refused}!usize {
        const rc = linux.read(0, buffer.ptr, buffer.len);
        return if (linux.errno(rc) == .SUCCESS) rc else error.Refused;
    }

    pub fn write(_: Standard, bytes: []const u8) error{Refused}!void {
        var done: usize = 0;
        while (done < bytes.len) {
            const rc = linux.write(1, bytes.ptr + done, bytes.len - done);
            if (linux.errno(rc) != .SUCCESS) return error.Refused;
            done += rc;
        }
    }
};

pub fn main(init: std.process.Init.Minimal) !u8 {
    decode(init.args.vector) catch |err| return if (err == error.Refused) 2 else 1;
    return 0;
}

fn decode(argv: []const [*:0]const u8) !void {
    const standard: Standard = .{};
    if (argv.len < 2) return zstd.stream.decode(&input, standard, &out);
    const size = try std.fmt.parseInt(usize, std.mem.span(argv[1]), 10);
    var length: usize = 0;
    while (true) {
        const count = try standard.read(in[length..]);
        if (count == 0) break;
        length += count;
    }
    try zstd.decode(out[0..size], in[0..length]);
    try standard.write(out[0..size]);
}
