//! `native log DRIVER OFFSET STARTS PREFIX TIMES SINCE UNTIL`: what a container has written, out of a log file that is
//! large: from OFFSET of descriptor 3 to its present end, stdout's bytes to descriptor 4, stderr's to 2. The same view as
//! src/container/log-lines.ts has, ten times as fast; the last word is TypeScript's: it looks for the next file, and goes on
//! where this ends.
//!
//! STARTS: two digits, whether what comes next of stdout and stderr begins a line. TIMES: 0 or 1. SINCE, UNTIL: as the log
//! has times, or "". One line of JSON on standard output says how far it came.
//!
//! Theory of operation: a piece of the file is read, its texts are moved together in a second buffer, and that is written
//! when it is full or the stream changes: so the two streams keep their order wherever they go. What is no line is passed
//! over where its end is certain; a line that is longer than a piece, or that another program may have written, ends the
//! work: it is left to who has asked.
const std = @import("std");
const sys = @import("sys.zig");
const clock = @import("monitor/clock.zig");
const chunks = @import("monitor/bytes.zig");
const Stream = @import("monitor/log.zig").Stream;
const reply = @import("layer/reply.zig");
const linux = sys.linux;

const log_fd = 3;
const sinks = [_]linux.fd_t{ 4, 2 };

const piece_bytes = 256 * 1024;
const out_bytes = 256 * 1024;

var piece: [piece_bytes]u8 = undefined;
var out_buffer: [out_bytes]u8 = undefined;

const Driver = enum { k8s, json };

const View = struct {
    driver: Driver,
    prefix: []const u8 = "",
    has_times: bool = false,
    since: []const u8 = "",
    until: []const u8 = "",
};

const Line = struct {
    stream: Stream,
    time: []const u8,
    /// As the file has it.
    text: []const u8,
    /// It goes on.
    is_partial: bool,
};

/// What is made of a log, wherever it goes.
const Shower = struct {
    view: View,
    starts: [2]bool = .{ true, true },
    is_past: bool = false,
    /// A line that is somebody else's.
    is_odd: bool = false,
    stream: Stream = .stdout,
    out: []u8,
    used: usize = 0,
    sink: *const fn (Stream, []const u8) sys.Error!void,

    /// Whole lines; how many bytes of `data` they took.
    fn take(shower: *Shower, data: []const u8) sys.Error!usize {
        var start: usize = 0;
        while (std.mem.indexOfScalarPos(u8, data, start, '\n')) |end| {
            const whole = data[start..end];
            const parsed = switch (shower.view.driver) {
                .k8s => parseCri(whole),
                .json => parseJson(whole) orelse {
                    shower.is_odd = true;
                    return start;
                },
            };
            if (parsed) |line| {
                if (!shower.isLate(&line)) return start;
                if (!std.mem.lessThan(u8, line.time, shower.view.since)) {
                    try shower.show(&line);
                    if (shower.is_odd) return start;
                }
            }
            start = end + 1;
        }
        return start;
    }

    /// False: it is later than what is to be seen.
    fn isLate(shower: *Shower, line: *const Line) bool {
        const until = shower.view.until;
        shower.is_past = until.len > 0 and std.mem.lessThan(u8, until, line.time);
        return !shower.is_past;
    }

    fn show(shower: *Shower, line: *const Line) sys.Error!void {
        if (line.stream != shower.stream) {
            try shower.flush();
            shower.stream = line.stream;
        }
        const view = &shower.view;
        if (view.driver == .json and !isPlain(line.text)) {
            shower.is_odd = true;
            return;
        }
        const starts = &shower.starts[@intFromEnum(line.stream)];
        if (starts.*) {
            try shower.put(view.prefix);
            if (view.has_times) {
                try shower.put(line.time);
                try shower.put(" ");
            }
        }
        switch (view.driver) {
            .k8s => try shower.put(line.text),
            .json => try shower.putUnescaped(line.text),
        }
        if (view.driver == .k8s and !line.is_partial) try shower.put("\n");
        starts.* = !line.is_partial;
    }

    fn put(shower: *Shower, bytes: []const u8) sys.Error!void {
        var rest = bytes;
        while (rest.len > shower.out.len - shower.used) {
            const fits = shower.out.len - shower.used;
            chunks.copy(shower.out[shower.used..], rest[0..fits]);
            shower.used += fits;
            rest = rest[fits..];
            try shower.flush();
        }
        chunks.copy(shower.out[shower.used..], rest);
        shower.used += rest.len;
    }

    fn flush(shower: *Shower) sys.Error!void {
        if (shower.used > 0) try shower.sink(shower.stream, shower.out[0..shower.used]);
        shower.used = 0;
    }

    /// Of a text that `isPlain`.
    fn putUnescaped(shower: *Shower, text: []const u8) sys.Error!void {
        var rest = text;
        while (std.mem.indexOfScalar(u8, rest, '\\')) |at| {
            try shower.put(rest[0..at]);
            var bytes: [3]u8 = undefined;
            const length = escapeBytes(rest[at..]);
            try shower.put(unescape(rest[at..][0..length], &bytes));
            rest = rest[at + length ..];
        }
        try shower.put(rest);
    }
};

/// "2025-01-31T12:34:56.123456789Z stdout F text". Null: it is no line of ours.
fn parseCri(line: []const u8) ?Line {
    const text_at = clock.text_bytes + " stdout F ".len;
    if (line.len < text_at or line[clock.text_bytes] != ' ' or line[text_at - 1] != ' ') return null;
    return .{
        .stream = if (line[clock.text_bytes + " std".len] == 'o') .stdout else .stderr,
        .time = line[0..clock.text_bytes],
        .text = line[text_at..],
        .is_partial = line[text_at - 2] == 'P',
    };
}

const json_begin = "{\"log\":\"";
const json_middle = [_][]const u8{ "\",\"stream\":\"stdout\",\"time\":\"", "\",\"stream\":\"stderr\",\"time\":\"" };
const json_end = "\"}";
const json_tail_bytes = json_middle[0].len + clock.text_bytes + json_end.len;

/// As the monitor writes it (monitor/json_log.zig). Null: otherwise.
fn parseJson(line: []const u8) ?Line {
    if (line.len < json_begin.len + json_tail_bytes) return null;
    const text_end = line.len - json_tail_bytes;
    const time_at = text_end + json_middle[0].len;
    const middle = line[text_end..time_at];
    if (!std.mem.startsWith(u8, line, json_begin) or !std.mem.endsWith(u8, line, json_end)) return null;
    const stream: Stream = for (json_middle, [_]Stream{ .stdout, .stderr }) |wanted, stream| {
        if (std.mem.eql(u8, middle, wanted)) break stream;
    } else return null;
    const text = line[json_begin.len..text_end];
    return .{
        .stream = stream,
        .time = line[time_at..][0..clock.text_bytes],
        .text = text,
        .is_partial = !endsLine(text),
    };
}

/// With \n, whose backslash stands for itself.
fn endsLine(text: []const u8) bool {
    if (!std.mem.endsWith(u8, text, "\\n")) return false;
    const before = text[0 .. text.len - 1];
    return (before.len - std.mem.trimEnd(u8, before, "\\").len) % 2 == 1;
}

/// Whether every escape in it is one that we know.
fn isPlain(text: []const u8) bool {
    var rest = text;
    while (std.mem.indexOfScalar(u8, rest, '\\')) |at| {
        const length = escapeBytes(rest[at..]);
        if (length == 0) return false;
        rest = rest[at + length ..];
    }
    return true;
}

/// How long the escape is that `text` begins with. 0: none, or half of a character (a surrogate).
fn escapeBytes(text: []const u8) usize {
    if (text.len < 2) return 0;
    if (text[1] != 'u') return if (std.mem.indexOfScalar(u8, "nrt\"\\/bf", text[1]) != null) 2 else 0;
    if (text.len < 6) return 0;
    for (text[2..6]) |digit| if (!std.ascii.isHex(digit)) return 0;
    const code = std.fmt.parseInt(u16, text[2..6], 16) catch return 0;
    return if (code >= 0xd800 and code < 0xe000) 0 else 6;
}

fn unescape(escape: []const u8, bytes: *[3]u8) []const u8 {
    if (escape.len == 2) {
        bytes[0] = switch (escape[1]) {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'b' => 8,
            'f' => 12,
            else => escape[1],
        };
        return bytes[0..1];
    }
    const code = std.fmt.parseInt(u16, escape[2..6], 16) catch unreachable; // escapeBytes() has seen it
    return bytes[0 .. std.unicode.utf8Encode(code, bytes) catch unreachable];
}

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len != 7) return reply.usage("log");
    const parent_dies = 1; // PR_SET_PDEATHSIG
    _ = linux.prctl(parent_dies, @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    const word = std.mem.span;
    const driver = std.meta.stringToEnum(Driver, word(args[0])) orelse return reply.usage("log");
    const offset = std.fmt.parseInt(u64, word(args[1]), 10) catch return reply.usage("log");
    const starts = word(args[2]);
    if (starts.len != 2) return reply.usage("log");
    var shower: Shower = .{
        .view = .{
            .driver = driver,
            .prefix = word(args[3]),
            .has_times = word(args[4])[0] == '1',
            .since = word(args[5]),
            .until = word(args[6]),
        },
        .starts = .{ starts[0] == '1', starts[1] == '1' },
        .out = &out_buffer,
        .sink = write,
    };
    const end = show(&shower, offset) catch |err| return reply.refused("", err);
    var buffer: [128]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, "{{\"ok\":true,\"offset\":{d},\"isPast\":{},\"isLineStart\":[{},{}]}}\n", .{
        end,
        shower.is_past,
        shower.starts[0],
        shower.starts[1],
    }) catch unreachable;
    sys.writeAll(1, line) catch return 125;
    return 0;
}

/// Where it ended.
fn show(shower: *Shower, from: u64) sys.Error!u64 {
    for (sinks) |fd| widen(fd);
    var offset = from;
    while (!shower.is_past and !shower.is_odd) {
        const count = try sys.check("read", "the log", linux.pread(log_fd, &piece, piece.len, @intCast(offset)));
        if (count == 0) break;
        const taken = try shower.take(piece[0..count]);
        if (taken == 0) break;
        offset += taken;
    }
    try shower.flush();
    return offset;
}

/// A pipe takes more at once than it does by default, where the user may have so much.
fn widen(fd: linux.fd_t) void {
    const set_pipe_size = 1031; // F_SETPIPE_SZ
    _ = linux.fcntl(fd, set_pipe_size, 1 << 20);
}

fn write(stream: Stream, bytes: []const u8) sys.Error!void {
    const fd = sinks[@intFromEnum(stream)];
    var done: usize = 0;
    while (done < bytes.len) {
        const rc = linux.write(fd, bytes.ptr + done, bytes.len - done);
        switch (linux.errno(rc)) {
            .INTR => continue,
            .AGAIN => { // some terminals' and ssh's do not wait
                var full = [1]linux.pollfd{.{ .fd = fd, .events = linux.POLL.OUT, .revents = 0 }};
                _ = linux.poll(&full, 1, -1);
            },
            else => done += try sys.check("write", "", rc),
        }
    }
}

const Seen = struct {
    var text: std.ArrayList(u8) = .empty;

    fn take(stream: Stream, bytes: []const u8) sys.Error!void {
        const gpa = std.testing.allocator;
        text.appendSlice(gpa, if (stream == .stdout) "[" else "(") catch unreachable;
        text.appendSlice(gpa, bytes) catch unreachable;
        text.appendSlice(gpa, if (stream == .stdout) "]" else ")") catch unreachable;
    }
};

fn expectShown(expected: []const u8, view: View, data: []const u8) !void {
    defer Seen.text.clearAndFree(std.testing.allocator);
    var out: [16]u8 = undefined;
    var shower: Shower = .{ .view = view, .out = &out, .sink = Seen.take };
    const taken = try shower.take(data);
    try shower.flush();
    try Seen.text.print(std.testing.allocator, "{d}{s}{s}", .{
        data.len - taken,
        if (shower.is_past) " past" else "",
        if (shower.is_odd) " odd" else "",
    });
    try std.testing.expectEqualStrings(expected, Seen.text.items);
}

const t1 = "2025-01-31T12:34:56.000000001Z";
const t2 = "2025-01-31T12:34:56.000000002Z";

test "CRI lines: order, pieces of lines, times, what is none, what is not whole" {
    const log = t1 ++ " stdout F one\n" ++ t1 ++ " stderr P two\ntorn\n" ++ t2 ++ " stderr F .\n" ++ t2 ++ " stdout F \n" ++ t2 ++ " std";
    try expectShown("[one\n](two.\n)[\n]34", .{ .driver = .k8s }, log);
    try expectShown("(.\n)[\n]34", .{ .driver = .k8s, .since = t2 }, log);
    try expectShown("[one\n](two)117 past", .{ .driver = .k8s, .until = t1 }, log);
    try expectShown("[a: one\n](a: two.\n)[a: \n]34", .{ .driver = .k8s, .prefix = "a: " }, log);
    try expectShown("[" ++ t1[0..16] ++ "][" ++ t1[16..] ++ " x]0", .{ .driver = .k8s, .has_times = true }, t1 ++ " stdout P x\n");
}

test "JSON lines: what is escaped, and what is somebody else's" {
    const middle = "\",\"stream\":\"stdout\",\"time\":\"" ++ t1 ++ "\"}\n";
    const log = "{\"log\":\"a\\\"\\u003c\\ufffd\\n" ++ middle;
    try expectShown("[a\"<\xef\xbf\xbd\n]0", .{ .driver = .json }, log);
    try expectShown("[a\"<\xef\xbf\xbd\n]6 odd", .{ .driver = .json }, log ++ "other\n");
    try expectShown("0", .{ .driver = .json, .since = t2 }, log);
    try std.testing.expect(endsLine("a\\n") and endsLine("\\\\\\n") and !endsLine("\\\\n") and !endsLine("n"));
    const half = "{\"log\":\"\\ud83d\\ude00" ++ middle;
    try expectShown(std.fmt.comptimePrint("{d} odd", .{half.len}), .{ .driver = .json }, half);
}

test "fuzz: no text is too odd" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var text: [512]u8 = undefined;
            const bytes = text[0..smith.slice(&text)];
            defer Seen.text.clearAndFree(std.testing.allocator);
            for ([_]Driver{ .k8s, .json }) |driver| {
                var out: [16]u8 = undefined;
                var shower: Shower = .{ .view = .{ .driver = driver, .has_times = true }, .out = &out, .sink = Seen.take };
                try std.testing.expect(try shower.take(bytes) <= bytes.len);
            }
        }
    }.one, .{ .corpus = &.{ t1 ++ " stdout F x\n", "{\"log\":\"\\u00\",\"stream\":\"stderr\",\"time\":\"" ++ t1 ++ "\"}\n" } });
}
