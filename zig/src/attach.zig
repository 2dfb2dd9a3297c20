//! `native attach RUNTIME_DIR [--stdin] [--terminal] [--sig-proxy] [--detach-keys 16,17]`: the client of a container
//! that runs already.
const std = @import("std");
const sys = @import("sys.zig");
const event = @import("event.zig");
const sessions = @import("session.zig");
const exec = @import("exec.zig");
const record = @import("monitor/record.zig");
const client = @import("client/client.zig");
const detach = @import("client/detach.zig");
const linux = sys.linux;

const exit_failed = 125;

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    return runIn(args) catch {
        event.emit(event.failed());
        return exit_failed;
    };
}

const Words = struct {
    runtime_dir: [:0]const u8 = "",
    stdin: bool = false,
    terminal: bool = false,
    sig_proxy: bool = false,
    keys: [detach.keys_max]u8 = undefined,
    key_count: usize = 0,
};

fn runIn(args: []const [*:0]const u8) sys.Error!u8 {
    sessions.ensureStandardStreams();
    const words = try parse(args);
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const container = try exec.findContainer(arena_state.allocator(), words.runtime_dir);
    const flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const directory = try sys.checkFd("open", words.runtime_dir, linux.open(words.runtime_dir, flags, 0));
    const socket = try record.connect(directory, "attach.sock");
    event.emit(event.started(container.pid));
    return sessions.tell(try client.run(socket, .{
        .stdin = words.stdin,
        .terminal = words.terminal,
        .detach_keys = words.keys[0..words.key_count],
        .signals_to = if (words.sig_proxy) container.pidfd else null,
    }));
}

fn parse(args: []const [*:0]const u8) sys.Error!Words {
    var words: Words = .{};
    var i: usize = 0;
    while (i < args.len) : (i += 1) {
        const word = std.mem.span(args[i]);
        if (std.mem.eql(u8, word, "--stdin")) {
            words.stdin = true;
        } else if (std.mem.eql(u8, word, "--terminal")) {
            words.terminal = true;
        } else if (std.mem.eql(u8, word, "--sig-proxy")) {
            words.sig_proxy = true;
        } else if (std.mem.eql(u8, word, "--detach-keys") and i + 1 < args.len) {
            i += 1;
            try parseKeys(&words, std.mem.span(args[i]));
        } else words.runtime_dir = word;
    }
    if (words.runtime_dir.len == 0) return sys.fail("usage", "native attach RUNTIME_DIR [OPTIONS]");
    return words;
}

/// "16,17"; "" means that one cannot detach.
fn parseKeys(words: *Words, text: []const u8) sys.Error!void {
    if (text.len == 0) return;
    var numbers = std.mem.splitScalar(u8, text, ',');
    while (numbers.next()) |number| {
        if (words.key_count == detach.keys_max) return sys.fail("usage", "too many detach keys");
        words.keys[words.key_count] = std.fmt.parseInt(u8, number, 10) catch
            return sys.failFormat("usage", "\"{s}\" is no byte", .{number});
        words.key_count += 1;
    }
}

test "parse()" {
    const words = try parse(&.{ "/run/x", "--stdin", "--detach-keys", "16,17" });
    try std.testing.expect(words.stdin and !words.sig_proxy);
    try std.testing.expectEqualSlices(u8, &.{ 16, 17 }, words.keys[0..words.key_count]);
    try std.testing.expectError(error.Syscall, parse(&.{"--stdin"}));
    try std.testing.expectError(error.Syscall, parse(&.{ "/run/x", "--detach-keys", "256" }));
}
