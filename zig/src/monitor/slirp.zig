//! Ports of a container whose network slirp4netns makes: that is told them over its API socket, once it is ready
//! (slirp4netns(1)). What a port cannot be for is found out before, by binding it ourselves: slirp4netns does not say.
const std = @import("std");
const sys = @import("../sys.zig");
const config = @import("../net/config.zig");
const publish = @import("../net/publish.zig");
const record = @import("record.zig");
const linux = sys.linux;

/// It answers at once, or it is stuck.
const patience_s = 5;
const pause_ms = 2;
/// "A request must be less than 4096 bytes."
const request_bytes_max = 512;
const answer_bytes_max = 1024;

/// They can be had now, or the sentence says why not. One that listened before is no longer in the way.
pub fn prepare(tool: *const config.Tool, sockets: *[publish.sockets_max]linux.fd_t) sys.Error!void {
    if (tool.socket) |path| _ = linux.unlink(path);
    for (try publish.bindAll(tool.ports, sockets)) |fd| _ = linux.close(fd);
}

/// They are published when this returns, and until it ends.
pub fn publishAll(tool: *const config.Tool) sys.Error!void {
    const path = tool.socket orelse return;
    for (tool.ports) |*port| for (0..port.count) |i| {
        const outer = port.hostPort +% @as(u16, @intCast(i));
        const inner = port.containerPort +% @as(u16, @intCast(i));
        var buffer: [request_bytes_max]u8 = undefined;
        const text = std.fmt.bufPrint(
            &buffer,
            "{{\"execute\":\"add_hostfwd\",\"arguments\":{{\"proto\":\"{t}\",\"host_addr\":\"{s}\",\"host_port\":{d},\"guest_port\":{d}}}}}",
            .{ port.protocol, port.hostAddress, outer, inner },
        ) catch return sys.fail("network", "a published port is too long");
        try ask(tool, path, text);
    };
}

/// One connection a request: it is answered when our side is closed.
fn ask(tool: *const config.Tool, path: [:0]const u8, request: []const u8) sys.Error!void {
    const fd = try connect(path);
    defer _ = linux.close(fd);
    try sys.writeAll(fd, request);
    _ = linux.shutdown(fd, linux.SHUT.WR);
    var answer: [answer_bytes_max]u8 = undefined;
    var used: usize = 0;
    while (used < answer.len) {
        const n = linux.read(fd, answer[used..].ptr, answer.len - used);
        if (linux.errno(n) == .INTR) continue;
        _ = try sys.check("network", "slirp4netns", n);
        if (n == 0) break;
        used += n;
    }
    return judge(tool.path, answer[0..used]);
}

const Answer = struct { @"error": ?struct { desc: []const u8 = "" } = null };

fn judge(path: []const u8, answer: []const u8) sys.Error!void {
    var memory: [4 * answer_bytes_max]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const parsed = std.json.parseFromSliceLeaky(Answer, fixed.allocator(), answer, options) catch {
        return sys.failFormat("network", "{s} does not say whether a port is published", .{path});
    };
    const failure = parsed.@"error" orelse return;
    return sys.failFormat("network", "{s} publishes no port: {s}", .{ path, failure.desc[0..@min(failure.desc.len, 200)] });
}

fn connect(path: [:0]const u8) sys.Error!linux.fd_t {
    var parent: record.Path = .{};
    try parent.set(std.fs.path.dirname(path) orelse "/");
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const directory = try sys.checkFd("open", path, linux.open(parent.get(), flags, 0));
    defer _ = linux.close(directory);
    const fd = try record.patientSocket(linux.SOCK.STREAM, path, patience_s);
    errdefer _ = linux.close(fd);
    const where = record.address(directory, std.fs.path.basename(path));
    // it listens only after it has said that it is ready
    const pause: linux.timespec = .{ .sec = 0, .nsec = pause_ms * std.time.ns_per_ms };
    for (0..patience_s * std.time.ms_per_s / pause_ms) |_| {
        const rc = linux.connect(fd, @ptrCast(&where), @sizeOf(linux.sockaddr.un));
        switch (linux.errno(rc)) {
            .NOENT, .CONNREFUSED => _ = linux.nanosleep(&pause, null),
            else => {
                _ = try sys.check("network", "the API socket of slirp4netns", rc);
                return fd;
            },
        }
    }
    return sys.fail("network", "slirp4netns does not listen for the ports that it is to publish");
}

test "judge() believes only an answer without an error" {
    try judge("/bin/s", "{\"return\": {\"id\": 42}}");
    for ([_][]const u8{ "", "[", "{\"error\": {\"desc\": \"bad request\"}}", "{\"error\": {}}" }) |answer| {
        try std.testing.expectError(error.Syscall, judge("/bin/s", answer));
    }
}
