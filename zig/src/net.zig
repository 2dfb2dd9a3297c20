//! `native net DIR TAP CONTROL LAST`: the network of the container of DIR (helper.json), as a process that its monitor
//! starts. TAP and CONTROL are descriptors; so is everything else up to LAST that is open: the sockets of published ports.
//! It ends when the other end of CONTROL does.
const std = @import("std");
const sys = @import("sys.zig");
const contract = @import("contract.zig");
const cage = @import("net/cage.zig");
const loop = @import("net/loop.zig");
const guard = @import("net/guard.zig");
const taps = @import("net/taps.zig");
const pool = @import("net/pool.zig");
const ports = @import("net/ports.zig");
const config = @import("net/config.zig");
const publish = @import("net/publish.zig");
const live = @import("net/live.zig");
const maker = @import("net/maker.zig");
const footprint = @import("monitor/footprint.zig");
const engine = @import("net/engine.zig");
const resolver = @import("net/resolver.zig");
const Address = @import("net/address.zig").Address;
const linux = sys.linux;

const exit_failed = 125;

const Given = struct { tap: linux.fd_t, control: linux.fd_t, last: linux.fd_t };

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len != 4) return exit_failed;
    const given: Given = .{ .tap = parse(args[1]), .control = parse(args[2]), .last = parse(args[3]) };
    if (given.tap < 0 or given.control < 0) return exit_failed;
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    setUp(arena.allocator(), std.mem.span(args[0]), given) catch return exit_failed;
    arena.deinit();
    footprint.shrink();
    cage.enter() catch return exit_failed;
    engine.run();
    return 0;
}

fn parse(text: [*:0]const u8) linux.fd_t {
    return std.fmt.parseInt(linux.fd_t, std.mem.span(text), 10) catch -1;
}

fn setUp(arena: std.mem.Allocator, directory: [:0]const u8, given: Given) sys.Error!void {
    const helper = try contract.load(contract.Helper, arena, directory, "helper.json");
    const network = helper.network orelse return sys.fail("network", "the container has none");
    try prepareProcess();
    taps.all[0] = try config.tapOf(&network);
    taps.all[0].fd = given.tap;
    taps.count = 1;
    taps.all[0].reaches_loopback = network.hostLoopback;
    taps.control = given.control;
    try resolver.set(0, network.servers, network.names);
    if (network.egress) |*egress| {
        try guard.set(0, egress, if (egress.log) |path| try guard.openLog(path) else null);
    }
    takeSockets(&network, given);
    // one more process, which a container that publishes nothing need not have (live.zig)
    if (network.ports.len > 0) if (maker.start(given.tap, .ours)) |channel| maker.adopt(0, channel);
    // What the monitor has said is heard before what the container asks: the first to be ready of those added comes first.
    if (!loop.add(given.control, .{ .kind = .control }, loop.in | loop.closed)) return sys.fail("network", "epoll");
    if (!engine.watch(0)) return sys.fail("network", "epoll");
}

/// What both kinds of process need (network.zig).
pub fn prepareProcess() sys.Error!void {
    ignoreBrokenPipes();
    raiseLimit();
    pool.seed();
    if (!loop.open()) return sys.fail("network", "epoll");
}

/// splice(2) to a socket whose far end is gone has no flag against the signal, and that end may be anybody's.
fn ignoreBrokenPipes() void {
    const ignore: linux.Sigaction = .{ .handler = .{ .handler = linux.SIG.IGN }, .mask = linux.sigemptyset(), .flags = 0 };
    _ = linux.sigaction(.PIPE, &ignore, null);
}

/// As many flows as the host allows.
fn raiseLimit() void {
    var limit: linux.rlimit = undefined;
    if (linux.errno(linux.prlimit(0, .NOFILE, null, &limit)) != .SUCCESS) return;
    limit.cur = limit.max;
    _ = linux.prlimit(0, .NOFILE, &limit, null);
    pool.census.descriptors_max = limit.max;
}

/// What is open and is none of the others was bound for a port.
fn takeSockets(network: *const config.Network, given: Given) void {
    var fd: linux.fd_t = 3;
    while (fd <= given.last) : (fd += 1) {
        if (fd == given.tap or fd == given.control) continue;
        if (takeSocket(network, fd)) continue;
        if (publish.listensLocally(fd)) _ = live.listen(0, fd);
    }
}

fn takeSocket(network: *const config.Network, fd: linux.fd_t) bool {
    const socket = publish.describe(fd) orelse return false;
    for (network.ports) |*port| {
        const address = Address.parse(port.hostAddress) orelse continue;
        if (port.protocol != socket.protocol or !address.eql(socket.outer.address)) continue;
        const offset = std.math.sub(u16, socket.outer.port, port.hostPort) catch continue;
        if (offset >= port.count) continue;
        return ports.add(.{
            .is_tcp = port.protocol == .tcp,
            .fd = fd,
            .outer = socket.outer,
            .inner = port.containerPort +% offset,
        });
    }
    return false;
}
