//! The process that is a container's network (net.zig), from the side of the monitor: started before the program may,
//! started again should it be killed, ended with the container. The monitor keeps the TAP, so that a new process finds
//! everything inside as it was.
const std = @import("std");
const sys = @import("../sys.zig");
const child = @import("../process/child.zig");
const ourselves = @import("../process/ourselves.zig");
const config = @import("../net/config.zig");
const maker = @import("../net/maker.zig");
const publish = @import("../net/publish.zig");
const contract = @import("../contract.zig");
const slirp = @import("slirp.zig");
const tools = @import("network_tool.zig");
const clock = @import("clock.zig");
const epolls = @import("epoll.zig");
const record = @import("record.zig");
const linux = sys.linux;

/// How long what the container has sent may take to leave.
const farewell_ms = 1_000;
/// One that ends sooner than that may only end again: the next ones wait, each twice as long.
const life_least_ms = 10_000;
const pause_ms = 100;
const pause_ms_max = 30_000;

var sockets: [publish.sockets_max]linux.fd_t = undefined;

pub const Network = struct {
    tap: linux.fd_t = -1,
    control: linux.fd_t = -1,
    pidfd: linux.fd_t = -1,
    started_ms: u64 = 0,
    /// How many were started for it since (maker.zig).
    makers: u8 = 0,
    /// Lives shorter than `life_least_ms`, and starts that failed, one after the other.
    failures: u8 = 0,
    /// The host's resolv.conf(5).
    resolv: record.Path = .{},
    /// Another program's: it does not end with `control`, and has nothing to say to the end.
    is_tool: bool = false,

    /// Ports are bound when this returns; the process takes its time. `tap` is kept also on failure.
    pub fn start(network: *Network, asked: *const config.Network, directory: [:0]const u8, tap: linux.fd_t) sys.Error!void {
        network.tap = tap;
        try network.resolv.set(asked.resolv);
        const bound = try publish.bindAll(asked.ports, &sockets);
        defer for (bound) |fd| {
            _ = linux.close(fd);
        };
        const live: linux.fd_t = if (asked.socket) |path| try record.listenForPorts(path) else -1;
        defer if (live >= 0) {
            _ = linux.close(live);
        };
        var pair: [2]linux.fd_t = undefined;
        const kind = linux.SOCK.SEQPACKET | linux.SOCK.CLOEXEC | linux.SOCK.NONBLOCK;
        _ = try sys.check("socketpair", "network", linux.socketpair(linux.AF.UNIX, kind, 0, &pair));
        defer _ = linux.close(pair[1]);
        errdefer _ = linux.close(pair[0]);
        var pidfd: linux.fd_t = -1;
        const args: sys.CloneArgs = .{ .flags = linux.CLONE.PIDFD, .pidfd = @intFromPtr(&pidfd) };
        const rc = try sys.check("clone3", "the network's process", sys.clone3(&args));
        if (rc == 0) become(directory, .{ tap, pair[1], live }, bound);
        network.control = pair[0];
        network.pidfd = pidfd;
        network.started_ms = clock.monotonicMs();
        network.makers = 0;
    }

    /// It wants to know the host's name servers, for it cannot see files; or one who makes sockets, for it can start nobody.
    pub fn answer(network: *Network, epoll: epolls.Epoll) void {
        var word: [8]u8 = undefined;
        const n = linux.recvfrom(network.control, &word, word.len, linux.MSG.DONTWAIT, null, null);
        if (linux.errno(n) == .AGAIN or linux.errno(n) == .INTR) return;
        if (linux.errno(n) != .SUCCESS or n == 0) {
            epoll.change(.{ .kind = .network_request, .fd = network.control }, 0); // its end is told elsewhere
            return;
        }
        if (word[0] == maker.word) return network.provideMaker();
        const buffer = struct {
            var text: [4096]u8 = undefined;
        };
        const rc = linux.open(network.resolv.get(), .{ .CLOEXEC = true, .NONBLOCK = true }, 0);
        var length: usize = 1;
        buffer.text[0] = '\n'; // nothing, which is not the same as our end
        if (linux.errno(rc) == .SUCCESS) {
            const got = linux.read(@intCast(rc), &buffer.text, buffer.text.len);
            _ = linux.close(@intCast(rc));
            if (linux.errno(got) == .SUCCESS and got > 0) length = got;
        }
        _ = linux.sendto(network.control, &buffer.text, length, linux.MSG.NOSIGNAL | linux.MSG.DONTWAIT, null, 0);
    }

    fn provideMaker(network: *Network) void {
        if (network.makers == maker.starts_max) return;
        network.makers += 1;
        maker.provide(network.control, network.tap);
    }

    pub fn startTool(network: *Network, tool: *const config.Tool, pid: linux.pid_t) sys.Error!void {
        try slirp.prepare(tool, &sockets);
        const started = try tools.start(tool, pid);
        network.is_tool = true;
        network.control = started.control;
        network.pidfd = started.pidfd;
        try slirp.publishAll(tool);
    }

    /// It has ended though the container has not.
    pub fn bury(network: *Network, epoll: epolls.Epoll) void {
        _ = sys.waitExitFd(network.pidfd) catch {};
        epoll.close(network.pidfd);
        network.pidfd = -1;
        _ = linux.close(network.control);
        network.control = -1;
        if (clock.monotonicMs() -| network.started_ms >= life_least_ms) network.failures = 0;
    }

    /// When the next one is to be started. The first is at once.
    pub fn pauseMs(network: *Network) u64 {
        defer network.failures +|= 1;
        if (network.failures == 0) return 0;
        return @min(pause_ms_max, @as(u64, pause_ms) << @min(network.failures - 1, 10));
    }

    /// A new one, from helper.json as it is now. False: it cannot be, now.
    pub fn revive(network: *Network, directory: [:0]const u8) bool {
        var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
        defer arena.deinit();
        const helper = contract.load(contract.Helper, arena.allocator(), directory, "helper.json") catch return false;
        const asked = helper.network orelse return false;
        network.start(&asked, directory, network.tap) catch return false;
        return true;
    }

    /// Its ports are free when this returns, and what the container has sent is on its way.
    pub fn stop(network: *Network) void {
        // Whoever closes the TAP last waits for the kernel to take it down, for tens of milliseconds: not we.
        if (network.tap >= 0) _ = linux.close(network.tap);
        network.tap = -1;
        const is_done = network.control >= 0 and network.awaitFarewell();
        if (network.control >= 0) _ = linux.close(network.control);
        network.control = -1;
        if (!is_done) return network.reap();
        _ = linux.close(network.pidfd); // it has only to end; session.zig reaps what is left
        network.pidfd = -1;
    }

    /// Told that it is over, it says so when nothing of it is left but itself. False: it did not.
    fn awaitFarewell(network: *Network) bool {
        if (linux.errno(linux.shutdown(network.control, linux.SHUT.WR)) != .SUCCESS) return false;
        var poll = [1]linux.pollfd{.{ .fd = network.control, .events = linux.POLL.IN, .revents = 0 }};
        // Questions it asked before come first.
        const words_max = 16;
        for (0..words_max) |_| {
            if (linux.poll(&poll, 1, farewell_ms) != 1) return false;
            var word: [8]u8 = undefined;
            const n = linux.recvfrom(network.control, &word, word.len, linux.MSG.DONTWAIT, null, null);
            if (linux.errno(n) != .SUCCESS or n == 0) return false;
            if (word[0] == 'e') return true;
        }
        return false;
    }

    fn reap(network: *Network) void {
        if (network.pidfd < 0) return;
        var poll = [1]linux.pollfd{.{ .fd = network.pidfd, .events = linux.POLL.IN, .revents = 0 }};
        if (network.is_tool or linux.poll(&poll, 1, farewell_ms) != 1) _ = linux.pidfd_send_signal(network.pidfd, .KILL, null, 0);
        _ = sys.waitExitFd(network.pidfd) catch {};
        _ = linux.close(network.pidfd);
        network.pidfd = -1;
    }
};

/// In the child: nothing of the monitor's is passed on but what it is to have.
fn become(directory: [:0]const u8, given: [3]linux.fd_t, bound: []const linux.fd_t) noreturn {
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    child.defaultSignals();
    _ = linux.setsid(); // what a terminal sends to its group is not for it
    _ = linux.chdir("/");
    const rc = linux.open("/dev/null", .{ .ACCMODE = .RDWR, .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) linux.exit_group(125);
    for (0..3) |fd| _ = linux.dup3(@intCast(rc), @intCast(fd), 0);
    sys.closeOnExecFrom(3);
    var last: linux.fd_t = 0;
    for (given) |fd| last = @max(last, fd);
    for (bound) |fd| last = @max(last, fd);
    for (given) |fd| _ = linux.fcntl(fd, linux.F.SETFD, 0);
    for (bound) |fd| _ = linux.fcntl(fd, linux.F.SETFD, 0);
    var numbers: [3][16]u8 = undefined;
    const words = [_:null]?[*:0]const u8{
        ourselves.argv[0],
        "native",
        "net",
        directory,
        text(&numbers[0], given[0]),
        text(&numbers[1], given[1]),
        text(&numbers[2], last),
    };
    const environment = [_:null]?[*:0]const u8{};
    _ = linux.execve("/proc/self/exe", &words, &environment);
    linux.exit_group(125);
}

fn text(buffer: *[16]u8, number: linux.fd_t) [*:0]const u8 {
    return std.fmt.bufPrintZ(buffer, "{d}", .{number}) catch unreachable;
}
