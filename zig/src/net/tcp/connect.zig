//! How a TCP flow begins: a container's SYN becomes a connect(2), a client of a published port a SYN for the container.
//! The container hears of success only when there is one: what is refused or unreachable is so for it, too.
const std = @import("std");
const linux = std.os.linux;
const dns_stream = @import("../dns_stream.zig");
const congestion = @import("../congestion.zig");
const loop = @import("../loop.zig");
const host = @import("../host.zig");
const icmp = @import("../icmp.zig");
const route = @import("../route.zig");
const packet = @import("../packet.zig");
const flows = @import("flow.zig");
const timers = @import("timers.zig");
const from_container = @import("from_container.zig");
const Endpoint = @import("../address.zig").Endpoint;
const Tap = @import("../tap.zig").Tap;
const Key = @import("../pool.zig").Key;
const Flow = flows.Flow;

pub fn start(tap: *const Tap, key: Key, segment: *const packet.Segment, ip: *const packet.Ip) void {
    if (dns_stream.isFor(tap, key.peer)) return startTalk(tap, key, segment);
    const target: Endpoint = switch (route.find(tap, key.protocol, key.peer)) {
        .to => |endpoint| endpoint,
        .nowhere => return icmp.tell(tap, .no_route, ip.whole),
        .forbidden => return from_container.refuse(tap, key.peer, segment),
    };
    // Without a descriptor or a place the SYN is lost: it comes again, and may find one then.
    const fd = host.socket(target.address, linux.SOCK.STREAM, 0) orelse return;
    const flow = flows.pool.insert(key) orelse {
        _ = linux.close(fd);
        return;
    };
    flows.open(flow, fd);
    if (tap.isGateway(key.peer.address)) congestion.towardsNeighbour(fd);
    from_container.takeOffer(flow, segment);
    const begun = host.connect(fd, target);
    // This machine itself has answered by now: asking once more is less than being told of it.
    switch (if (begun == .INPROGRESS) host.connect(fd, target) else begun) {
        .SUCCESS => succeed(flow),
        .ALREADY, .INPROGRESS => if (!flows.watch(flow, loop.out)) flows.reset(flow),
        else => |e| fail(flow, e),
    }
}

/// To our name server: the socket's far end is ours.
fn startTalk(tap: *const Tap, key: Key, segment: *const packet.Segment) void {
    const fd = dns_stream.begin(tap) orelse return;
    const flow = flows.pool.insert(key) orelse {
        _ = linux.close(fd);
        return;
    };
    flows.open(flow, fd);
    from_container.takeOffer(flow, segment);
    succeed(flow);
}

/// The host's socket is connected: now the container may know.
pub fn succeed(flow: *Flow) void {
    flow.state = .answered;
    flows.sendSyn(flow, true);
    timers.expectSyn(flow);
}

/// It is not, and will not be.
pub fn fail(flow: *Flow, e: linux.E) void {
    const reason: icmp.Reason = switch (e) {
        .HOSTUNREACH => .no_host,
        .NETUNREACH => .no_route,
        .ACCES, .PERM => .forbidden,
        .TIMEDOUT, .AGAIN => return flows.close(flow), // the container has stopped waiting, or will
        else => return flows.reset(flow),
    };
    icmp.tellFlow(&flow.key, reason);
    flows.close(flow);
}

/// A client of a published port. `peer` is whom the container is to see.
pub fn offer(fd: linux.fd_t, key: Key) void {
    const flow = flows.pool.insert(key) orelse {
        host.resetOnClose(fd); // an end would look as if somebody had been there
        _ = linux.close(fd);
        return;
    };
    flow.state = .offered;
    flows.open(flow, fd);
    flows.sendSyn(flow, false);
    timers.expectSyn(flow);
}
