//! `native ports DIRECTORY REQUEST`: asks the network process of a running container, whose net.sock is in DIRECTORY, one
//! thing, and writes its answer to standard output: a JSON object each way, which are no business of this verb. It is here
//! because a socket of packets (SOCK_SEQPACKET) is more than the TypeScript side's runtime can open. Status 1: nobody
//! listens there.
const std = @import("std");
const sys = @import("sys.zig");
const linux = sys.linux;

const exit_unanswered = 1;
const exit_failed = 125;
/// The longest list of ports is far shorter.
const answer_bytes_max = 256 * 1024;
var answer_buffer: [answer_bytes_max]u8 = undefined;
/// It answers at once, or it is not what we think.
const patience_s = 10;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len != 2) return exit_failed;
    const answer = ask(args[0], std.mem.span(args[1]), &answer_buffer) catch return exit_unanswered;
    sys.writeAll(1, answer) catch return exit_failed;
    return 0;
}

fn ask(directory: [*:0]const u8, request: []const u8, buffer: []u8) sys.Error![]const u8 {
    const parent = try sys.checkFd("open", "", linux.open(directory, .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0));
    defer _ = linux.close(parent);
    const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC;
    const socket = try sys.checkFd("socket", "", linux.socket(linux.AF.UNIX, kind, 0));
    defer _ = linux.close(socket);
    const patience: linux.timeval = .{ .sec = patience_s, .usec = 0 };
    const bytes = std.mem.asBytes(&patience);
    _ = linux.setsockopt(socket, linux.SOL.SOCKET, linux.SO.RCVTIMEO, bytes, bytes.len);
    _ = linux.setsockopt(socket, linux.SOL.SOCKET, linux.SO.SNDTIMEO, bytes, bytes.len);
    // a path of any length has a short name by way of its directory (unix(7): 108 bytes)
    var address: linux.sockaddr.un = .{ .path = @splat(0) };
    _ = std.fmt.bufPrint(&address.path, "/proc/self/fd/{d}/net.sock", .{parent}) catch unreachable;
    _ = try sys.check("connect", "", linux.connect(socket, @ptrCast(&address), @sizeOf(linux.sockaddr.un)));
    _ = try sys.check("write", "", linux.write(socket, request.ptr, request.len));
    const length = try sys.check("read", "", linux.read(socket, buffer.ptr, buffer.len));
    if (length == 0) return sys.fail("read", "no answer");
    return buffer[0..length];
}
