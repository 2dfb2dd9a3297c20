//! What is made in the network namespace of a container that runs: a process goes in for it, does that one thing with the
//! rights that root has there, tells how it went, and ends.
const std = @import("std");
const sys = @import("../sys.zig");
const event = @import("../event.zig");
const links = @import("../net/link.zig");
const report = @import("../process/report.zig");
const linux = sys.linux;
const CLONE = linux.CLONE;

/// An interface, whose outer end is returned.
pub fn makeTap(container: linux.fd_t, link: *const links.Link) sys.Error!linux.fd_t {
    return (try visit(container, .{ .make = link })).?;
}

/// The way out of an interface that is there.
pub fn setRoutes(container: linux.fd_t, link: *const links.Link) sys.Error!void {
    _ = try visit(container, .{ .route = link });
}

const Errand = union(enum) { make: *const links.Link, route: *const links.Link };

/// `container` is the descriptor of its first process.
fn visit(container: linux.fd_t, errand: Errand) sys.Error!?linux.fd_t {
    const channel = try report.open();
    defer _ = linux.close(channel.parent);
    var pidfd: linux.fd_t = -1;
    const args: sys.CloneArgs = .{ .flags = CLONE.PIDFD, .pidfd = @intFromPtr(&pidfd) };
    const rc = sys.clone3(&args);
    if (linux.errno(rc) == .SUCCESS and rc == 0) {
        run(container, errand, channel.child) catch {
            const line = event.failed();
            report.send(channel.child, .failed, line.bytes());
            linux.exit_group(125);
        };
        linux.exit_group(0);
    }
    _ = linux.close(channel.child);
    _ = try sys.check("clone3", "the network", rc);
    defer _ = linux.close(pidfd);
    defer _ = sys.waitExitFd(pidfd) catch {};
    var buffer: [1 + event.line_bytes_max]u8 = undefined;
    const message = report.receive(channel.parent, &buffer) orelse return sys.fail("network", "nobody can enter the container");
    if (message.kind == .tap) return message.fd.?;
    if (message.kind == .go) return null;
    return failed(message.text);
}

fn run(container: linux.fd_t, errand: Errand, channel: linux.fd_t) sys.Error!void {
    try enter(container);
    switch (errand) {
        .make => |link| try report.sendDescriptor(channel, .tap, try links.make(link)),
        .route => |link| {
            try links.setRoutes(link);
            report.send(channel, .go, "");
        },
    }
}

/// Its user namespace is ours where root runs it.
fn enter(container: linux.fd_t) sys.Error!void {
    const both = linux.setns(container, CLONE.NEWUSER | CLONE.NEWNET);
    if (linux.errno(both) == .SUCCESS) return;
    if (linux.errno(both) != .INVAL) _ = try sys.check("setns", "the container's network", both);
    _ = try sys.check("setns", "the container's network", linux.setns(container, CLONE.NEWNET));
}

const Failed = struct { call: []const u8 = "network", detail: []const u8 = "", errno: []const u8 = "" };

/// The event `failed` of the other process, as if it were ours.
fn failed(line: []const u8) sys.Error {
    var memory: [4096]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    const text = std.mem.trimEnd(u8, line, "\n");
    const told = std.json.parseFromSliceLeaky(Failed, fixed.allocator(), text, options) catch Failed{};
    return sys.failFormat("network", "{s}: {s} {s}", .{ told.call, told.detail, told.errno });
}
