//! UDP: a connected socket of the host's for each pair of ends a container's datagrams name, so that answers and errors
//! find their way back by themselves; kept while it is used. Published ports have one socket for all their clients.
//!
//! A datagram that does not fit into one frame is cut into several, as a router would; what the container's kernel has cut
//! was put together before it comes here (fragments.zig).
const std = @import("std");
const linux = std.os.linux;
const burst = @import("burst.zig");
const loop = @import("loop.zig");
const host = @import("host.zig");
const icmp = @import("icmp.zig");
const pools = @import("pool.zig");
const frame = @import("frame.zig");
const ports = @import("ports.zig");
const resolver = @import("resolver.zig");
const packet = @import("packet.zig");
const route = @import("route.zig");
const guard = @import("guard.zig");
const questions = @import("questions.zig");
const Pace = @import("pace.zig").Pace;
const taps = @import("taps.zig");
const train = @import("train.zig");
const addresses = @import("address.zig");
const Endpoint = addresses.Endpoint;
const SocketAddress = addresses.SocketAddress;
const Tap = @import("tap.zig").Tap;

const Flow = struct {
    key: pools.Key,
    hash: u32,
    generation: u32,
    is_used: bool,
    is_answered: bool = false,
    is_dns: bool = false,
    /// Of a published port: its socket is not ours alone, and the client is named with each datagram.
    is_published: bool = false,
    /// The way its datagrams take has none for several in one message.
    goes_singly: bool = false,
    fd: linux.fd_t = -1,
    pace: Pace = .{},
    client: Endpoint = .{},
    due_ms: u64 = loop.never,
};

const flows_max = 4096;
pub var pool: pools.Pool(Flow, flows_max) = .{};

/// As Linux's connection tracking: 30 s, 120 s once both have spoken.
const unanswered_ms = 30_000;
const answered_ms = 120_000;
/// A question that nobody answers is given up sooner (questions.zig); who asks often does so from one port.
const dns_ms = 10_000;
const dns_answered_ms = 1_000;
/// Datagrams of one socket before others have their turn.
const turn_datagrams = 64;

fn touch(flow: *Flow) void {
    const dns: u64 = if (flow.is_answered and !isAsking(flow)) dns_answered_ms else dns_ms;
    const ms: u64 = if (flow.is_dns) dns else if (flow.is_answered) answered_ms else unanswered_ms;
    flow.due_ms = loop.now_ms + ms;
    loop.dueAt(flow.due_ms);
}

// From the container ------------------------------------------------------------------------------------------

/// As many as a program can hand over in one call, which the kernel has left together.
const together_max = 128;

/// Several of `each` bytes, unless that is 0.
pub fn take(tap: *const Tap, tap_index: u8, ip: *const packet.Ip, each: usize) packet.Error!void {
    const datagram = try packet.Datagram.parse(ip.payload);
    const peer: Endpoint = .{ .address = ip.destination, .port = datagram.destination };
    const key: pools.Key = .{ .peer = peer, .port = datagram.source, .tap = tap_index, .protocol = packet.protocol.udp };
    const is_kept = train.isIn(datagram.data);
    if (each == 0 or each >= datagram.data.len) return takeOne(tap, key, ip, datagram.data, is_kept);
    if (datagram.data.len > each * together_max) return error.Malformed;
    var parts = std.mem.window(u8, datagram.data, each, each);
    while (parts.next()) |part| takeOne(tap, key, ip, part, is_kept);
}

/// `is_kept`: its data stays where it is until it has left.
fn takeOne(tap: *const Tap, key: pools.Key, ip: *const packet.Ip, data: []const u8, is_kept: bool) void {
    if (boarding) |flow| {
        if (is_kept and flow.key.eql(&key)) return board(flow, data, ip.whole);
        depart();
    }
    if (tap.isDns(key.peer.address) and key.peer.port == resolver.port and resolver.answer(tap, key, data)) return;
    const flow = pool.find(&key) orelse open(tap, key, ip) orelse return;
    if (is_kept and !flow.is_dns) return board(flow, data, ip.whole);
    if (flow.is_dns) noteQuestion(flow, data);
    touch(flow);
    sendAlone(flow, data, ip.whole);
}

/// Whose datagrams wait in the train.
var boarding: ?*Flow = null;

fn board(flow: *Flow, data: []const u8, whole: []const u8) void {
    boarding = flow;
    touch(flow);
    train.add(data, whole);
    if (train.count == train.count_max) depart();
}

/// All that wait go now.
pub fn depart() void {
    const flow = boarding orelse return;
    boarding = null;
    defer train.clear();
    if (train.count == 1) return sendAlone(flow, train.at(0).data, train.at(0).whole);
    const named: SocketAddress = .of(flow.client);
    const to = if (flow.is_published) &named else null;
    var next: usize = 0;
    while (next < train.count) {
        const outcome = train.send(flow.fd, to, next, flow.goes_singly);
        next = outcome.end;
        if (outcome.e != .SUCCESS) next = dissolve(flow, next, outcome.e);
    }
}

/// A message of which nothing has left. With which datagram to go on.
fn dissolve(flow: *Flow, first: usize, e: linux.E) usize {
    const end = if (flow.goes_singly) first + 1 else train.messageEnd(first);
    switch (e) {
        .INTR => return first,
        .AGAIN, .NOBUFS, .NOMEM => return end, // lost, as datagrams are
        else => {},
    }
    const data = train.at(first).data;
    // The kernel takes apart neither what has to be cut besides nor what goes where nobody makes checksums.
    const is_too_long = e == .MSGSIZE and data.len + frame.udpHeaders(flow.key.peer) > mtuOf(flow);
    if (end - first > 1 and (is_too_long or e == .INVAL or e == .IO)) {
        flow.goes_singly = true;
        return first;
    }
    judge(flow, e, data, train.at(first).whole);
    return first + 1;
}

fn sendAlone(flow: *Flow, data: []const u8, whole: []const u8) void {
    judge(flow, sendOut(flow, data), data, whole);
}

/// What became of the datagram `data` of `whole`.
fn judge(flow: *Flow, e: linux.E, data: []const u8, whole: []const u8) void {
    const tap = &taps.all[flow.key.tap];
    switch (e) {
        .SUCCESS, .AGAIN, .NOBUFS, .NOMEM, .INTR => {},
        .CONNREFUSED => if (flow.is_dns) refused(flow) else { // of one before; this one goes on
            icmp.tell(tap, .no_port, whole);
            _ = sendOut(flow, data);
        },
        .MSGSIZE => { // of one before, as the way has told; this one may be cut
            icmp.tell(tap, .{ .too_big = mtuOf(flow) }, whole);
            _ = sendOut(flow, data);
        },
        .HOSTUNREACH => icmp.tell(tap, .no_host, whole),
        .NETUNREACH => icmp.tell(tap, .no_route, whole),
        .ACCES, .PERM => icmp.tell(tap, .forbidden, whole),
        else => {},
    }
}

fn isAsking(flow: *const Flow) bool {
    return questions.anyOf(pool.indexOf(flow), flow.generation) != null;
}

/// Whoever asks the same again has not been answered: then the next server is asked.
fn noteQuestion(flow: *Flow, query: []const u8) void {
    if (query.len < 2) return;
    const is_again = questions.find(pool.indexOf(flow), flow.generation, query[0..2]) != null;
    if (is_again) turnTo(flow, serversOf(flow).after(serversOf(flow).current));
    _ = questions.note(pool.indexOf(flow), flow.generation, query, serversOf(flow).current);
}

fn serversOf(flow: *const Flow) *resolver.List {
    return resolver.listOf(flow.key.tap);
}

fn turnTo(flow: *Flow, server: usize) void {
    const servers = serversOf(flow);
    if (server == servers.current) return;
    servers.current = server;
    if (resolver.server(flow.key.tap)) |to| _ = host.connect(flow.fd, to);
}

/// Its server is silent, gone, or does not want to. The flow may be over.
fn askNext(question: *questions.Question) void {
    const flow = pool.at(question.flow, question.generation) orelse return questions.forget(question);
    if (questions.isHopeless(question)) return giveUp(flow, question);
    // Others may have found out already that this one does not answer.
    const servers = serversOf(flow);
    const server = if (question.server == servers.current) servers.after(question.server) else servers.current;
    servers.current = server;
    const to = resolver.server(flow.key.tap) orelse return giveUp(flow, question);
    _ = host.connect(flow.fd, to);
    questions.again(question, server);
    touch(flow);
    // What the last one has said, which may be told only now, is not about this.
    if (sendOut(flow, question.query()) == .CONNREFUSED) _ = sendOut(flow, question.query());
}

fn giveUp(flow: *Flow, question: *questions.Question) void {
    resolver.giveUp(&taps.all[flow.key.tap], flow.key, question.query());
    questions.forget(question);
    touch(flow);
}

fn sendOut(flow: *const Flow, data: []const u8) linux.E {
    const flags = linux.MSG.DONTWAIT | linux.MSG.NOSIGNAL;
    if (!flow.is_published) return linux.errno(linux.sendto(flow.fd, data.ptr, data.len, flags, null, 0));
    const to: SocketAddress = .of(flow.client);
    return linux.errno(linux.sendto(flow.fd, data.ptr, data.len, flags, &to.any, to.length()));
}

fn mtuOf(flow: *const Flow) u32 {
    return host.mtuOf(flow.fd, flow.key.peer.address.isV4());
}

fn open(tap: *const Tap, key: pools.Key, ip: *const packet.Ip) ?*Flow {
    const is_dns = tap.isDns(key.peer.address) and key.peer.port == resolver.port;
    const target = switch (route.find(tap, key.protocol, key.peer)) {
        .to => |endpoint| endpoint,
        .nowhere => {
            icmp.tell(tap, .no_route, ip.whole);
            return null;
        },
        .forbidden => {
            if (!key.peer.address.isMulticast()) icmp.tell(tap, .forbidden, ip.whole);
            return null;
        },
    };
    const fd = host.socket(target.address, linux.SOCK.DGRAM, 0) orelse again: {
        if (!giveWay()) return null;
        break :again host.socket(target.address, linux.SOCK.DGRAM, 0) orelse return null;
    };
    const e = host.connect(fd, target);
    if (e == .SUCCESS and pool.count == flows_max) _ = giveWay();
    const flow = if (e == .SUCCESS) pool.insert(key) else null;
    const made = flow orelse {
        _ = linux.close(fd);
        if (e != .SUCCESS) icmp.tell(tap, .no_route, ip.whole);
        return null;
    };
    made.fd = fd;
    made.is_dns = is_dns;
    if (loop.add(fd, .{ .kind = .udp, .index = pool.indexOf(made), .generation = made.generation }, loop.in)) return made;
    close(made);
    return null;
}

/// The flow that would end first, of a few, ends now: there is no place, or no descriptor, for another. False: there is none.
pub fn giveWay() bool {
    const static = struct {
        var hand: usize = 0;
    };
    const looked_at_max = 64;
    var worst: ?*Flow = null;
    for (0..@min(looked_at_max, pool.used_to)) |_| {
        static.hand = (static.hand + 1) % pool.used_to;
        const flow = &pool.flows[static.hand];
        if (!flow.is_used or (worst != null and worst.?.due_ms <= flow.due_ms)) continue;
        worst = flow;
    }
    close(worst orelse return false);
    return true;
}

fn close(flow: *Flow) void {
    if (boarding == flow) depart();
    if (flow.is_dns) questions.forgetAllOf(pool.indexOf(flow), flow.generation);
    if (!flow.is_published) _ = linux.close(flow.fd);
    pool.remove(flow);
}

// To the container --------------------------------------------------------------------------------------------

pub fn handle(flow: *Flow) void {
    const most = flow.pace.limit(turn_datagrams);
    flow.pace.note(if (most == 1) handleOne(flow) else handleBursts(flow, most));
    touch(flow);
}

/// How many there were. It is received where it is to stay, and mostly alone.
fn handleOne(flow: *Flow) usize {
    const n = linux.recvfrom(flow.fd, frame.space().ptr, frame.payload_bytes_max, linux.MSG.DONTWAIT, null, null);
    const e = linux.errno(n);
    if (e != .SUCCESS) {
        _ = hearError(flow, e);
        return 0;
    }
    flow.is_answered = true;
    if (!flow.is_dns or hearAnswer(flow, frame.space()[0..n])) {
        deliver(&taps.all[flow.key.tap], flow.key.peer, flow.key.port, n);
    }
    return 1;
}

/// The same of many.
fn handleBursts(flow: *Flow, most: usize) usize {
    var count: usize = 0;
    for (0..turn_datagrams / burst.count_max) |_| {
        const e = burst.receive(flow.fd, most - count, false);
        if (e != .SUCCESS) {
            if (hearError(flow, e)) continue else break;
        }
        count += burst.count;
        flow.is_answered = true;
        passAnswers(flow);
        if (burst.count < burst.count_max) break;
    }
    return count;
}

/// All but those instead of which another server is asked.
fn passAnswers(flow: *Flow) void {
    const tap = &taps.all[flow.key.tap];
    var first: usize = 0;
    if (flow.is_dns) for (0..burst.count) |i| {
        if (hearAnswer(flow, burst.at(i))) continue;
        burst.pass(tap, flow.key.peer, flow.key.port, first, i);
        first = i + 1;
    };
    burst.pass(tap, flow.key.peer, flow.key.port, first, burst.count);
}

/// False: there is nothing more. What an earlier datagram met on its way is told the container.
fn hearError(flow: *Flow, e: linux.E) bool {
    switch (e) {
        .INTR => {},
        .CONNREFUSED => if (flow.is_dns) refused(flow) else icmp.tellFlow(&flow.key, .no_port),
        .HOSTUNREACH => icmp.tellFlow(&flow.key, .no_host),
        .MSGSIZE => icmp.tellFlow(&flow.key, .{ .too_big = mtuOf(flow) }),
        else => return false,
    }
    return true;
}

/// Nobody is there: no need to be patient.
fn refused(flow: *Flow) void {
    if (questions.anyOf(pool.indexOf(flow), flow.generation)) |question| askNext(question);
}

/// False: another server is asked instead.
fn hearAnswer(flow: *Flow, answer: []const u8) bool {
    guard.hear(flow.key.tap, answer);
    if (answer.len < 2) return true;
    const question = questions.find(pool.indexOf(flow), flow.generation, answer[0..2]) orelse return true;
    const others_left = question.tries < serversOf(flow).count;
    if (questions.isRefusal(answer) and others_left and !questions.isHopeless(question)) {
        askNext(question);
        return false;
    }
    questions.forget(question);
    return true;
}

/// `bytes` that lie where payloads do. What finds no room is lost, as datagrams are.
fn deliver(tap: *const Tap, peer: Endpoint, port: u16, bytes: usize) void {
    _ = if (bytes + frame.udpHeaders(peer) <= tap.mtu)
        frame.sendUdp(tap, peer, port, bytes)
    else
        frame.sendUdpCut(tap, peer, port, bytes);
}

/// Datagrams for a published port, each from whoever sent it.
pub fn handlePublished(port: *const ports.Port) void {
    for (0..turn_datagrams / burst.count_max) |_| {
        switch (burst.receive(port.fd, burst.count_max, true)) {
            .SUCCESS => {},
            .INTR, .CONNREFUSED => continue,
            else => return,
        }
        var first: usize = 0;
        while (first < burst.count) {
            const client = burst.from(first);
            var end = first + 1;
            while (end < burst.count and burst.from(end).eql(client)) end += 1;
            if (flowOf(port, client)) |flow| {
                touch(flow);
                burst.pass(&taps.all[port.tap], flow.key.peer, port.inner, first, end);
            }
            first = end;
        }
        if (burst.count < burst.count_max) return;
    }
}

fn flowOf(port: *const ports.Port, client: Endpoint) ?*Flow {
    const seen = ports.seenAs(&taps.all[port.tap], client) orelse return null;
    const key: pools.Key = .{ .peer = seen, .port = port.inner, .tap = port.tap, .protocol = packet.protocol.udp };
    if (pool.find(&key)) |flow| return if (flow.is_published) flow else null;
    const flow = pool.insert(key) orelse return null;
    flow.is_published = true;
    flow.is_answered = true;
    flow.fd = port.fd;
    flow.client = client;
    return flow;
}

/// Its socket is about to be closed.
pub fn forget(fd: linux.fd_t) void {
    for (pool.all()) |*flow| {
        if (flow.is_used and flow.is_published and flow.fd == fd) close(flow);
    }
}

/// A container's that has left.
pub fn closeOf(tap_index: u8) void {
    for (pool.all()) |*flow| if (flow.is_used and flow.key.tap == tap_index) close(flow);
}

pub fn sweep() void {
    questions.sweep(&askNext);
    for (pool.all()) |*flow| {
        if (!flow.is_used) continue;
        if (flow.due_ms <= loop.now_ms) close(flow) else loop.dueAt(flow.due_ms);
    }
}
