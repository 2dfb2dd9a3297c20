//! A test's way to the decoder: `unzstd SIZE` reads one frame from standard input and writes its content, which has
//! exactly that size, to standard output. Status 1: the frame is damaged.
const std = @import("std");
const zstd = @import("zstd");
const linux = std.os.linux;

var in: [8 << 20]u8 = undefined;

pub fn main(init: std.process.Init.Minimal) !u8 {
    const size = try std.fmt.parseInt(usize, std.mem.span(init.args.vector[1]), 10);
    const out = try std.heap.page_allocator.alloc(u8, size);
    var length: usize = 0;
    while (true) {
        const rc = linux.read(0, in[length..].ptr, in.len - length);
        if (linux.errno(rc) != .SUCCESS) return 2;
        if (rc == 0) break;
        length += rc;
    }
    zstd.decode(out, in[0..length]) catch return 1;
    var done: usize = 0;
    while (done < out.len) {
        const rc = linux.write(1, out.ptr + done, out.len - done);
        if (linux.errno(rc) != .SUCCESS) return 2;
        done += rc;
    }
    return 0;
}
