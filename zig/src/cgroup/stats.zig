//! What a group has used, as JSON in the shape of runc's events ("data" of `runc events --stats`): cpu in nanoseconds,
//! memory in bytes. What the host does not account for is left out.
const std = @import("std");
const sys = @import("../sys.zig");
const files = @import("files.zig");
const groups = @import("group.zig");

const Cgroup = groups.Cgroup;

/// memory.stat has about sixty lines, io.stat one a device.
const file_bytes_max = 8192;

pub fn write(group: Cgroup, w: *std.Io.Writer) sys.Error!void {
    var json: std.json.Stringify = .{ .writer = w };
    writeAll(group, &json) catch return sys.fail("write", "the statistics");
}

const Json = std.json.Stringify;
const WriteError = Json.Error;

fn writeAll(group: Cgroup, json: *Json) WriteError!void {
    try json.beginObject();
    try writeCpu(group, json);
    try writeMemory(group, json);
    try writePids(group, json);
    try writeIo(group, json);
    try json.endObject();
}

fn writeCpu(group: Cgroup, json: *Json) WriteError!void {
    var buffer: [1024]u8 = undefined;
    const text = files.read(group.path, "cpu.stat", &buffer) orelse return;
    try json.objectField("cpu");
    try json.beginObject();
    try json.objectField("usage");
    try json.beginObject();
    for ([_][2][]const u8{ .{ "total", "usage_usec" }, .{ "kernel", "system_usec" }, .{ "user", "user_usec" } }) |pair| {
        try field(json, pair[0], number(text, pair[1]) *| 1000);
    }
    try json.endObject();
    try json.objectField("throttling");
    try json.beginObject();
    try field(json, "periods", number(text, "nr_periods"));
    try field(json, "throttledPeriods", number(text, "nr_throttled"));
    try field(json, "throttledTime", number(text, "throttled_usec") *| 1000);
    try json.endObject();
    try json.endObject();
}

fn writeMemory(group: Cgroup, json: *Json) WriteError!void {
    const usage = files.readNumber(group.path, "memory.current") orelse return;
    var buffer: [file_bytes_max]u8 = undefined;
    const stat = files.read(group.path, "memory.stat", &buffer) orelse "";
    var events_buffer: [files.events_bytes_max]u8 = undefined;
    const events = files.read(group.path, "memory.events", &events_buffer) orelse "";
    try json.objectField("memory");
    try json.beginObject();
    try field(json, "cache", number(stat, "file"));
    try json.objectField("usage");
    try json.beginObject();
    try field(json, "usage", usage);
    if (files.readNumber(group.path, "memory.peak")) |peak| try field(json, "max", peak); // Linux 5.19
    try field(json, "limit", files.readNumber(group.path, "memory.max") orelse std.math.maxInt(u64));
    try field(json, "failcnt", number(events, "max"));
    try json.endObject();
    if (files.readNumber(group.path, "memory.swap.current")) |swap| {
        try json.objectField("swap");
        try json.beginObject();
        // as runc has it: memory and swap together
        try field(json, "usage", usage +| swap);
        const limit = files.readNumber(group.path, "memory.swap.max") orelse std.math.maxInt(u64);
        try field(json, "limit", limit +| (files.readNumber(group.path, "memory.max") orelse 0));
        try json.endObject();
    }
    try json.objectField("raw");
    try json.beginObject();
    var lines = std.mem.tokenizeScalar(u8, stat, '\n');
    while (lines.next()) |line| {
        const space = std.mem.indexOfScalar(u8, line, ' ') orelse continue;
        try field(json, line[0..space], files.parseNumber(line[space + 1 ..]) orelse continue);
    }
    try json.endObject();
    try json.endObject();
}

fn writePids(group: Cgroup, json: *Json) WriteError!void {
    const current = files.readNumber(group.path, "pids.current") orelse return;
    try json.objectField("pids");
    try json.beginObject();
    try field(json, "current", current);
    const limit = files.readNumber(group.path, "pids.max") orelse std.math.maxInt(u64);
    if (limit != std.math.maxInt(u64)) try field(json, "limit", limit);
    try json.endObject();
}

/// A line of io.stat is "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0".
fn writeIo(group: Cgroup, json: *Json) WriteError!void {
    var buffer: [file_bytes_max]u8 = undefined;
    const text = files.read(group.path, "io.stat", &buffer) orelse return;
    try json.objectField("blkio");
    try json.beginObject();
    try writeDevices(json, "ioServiceBytesRecursive", text, &.{ .{ "rbytes", "Read" }, .{ "wbytes", "Write" } });
    try writeDevices(json, "ioServicedRecursive", text, &.{ .{ "rios", "Read" }, .{ "wios", "Write" } });
    try json.endObject();
}

fn writeDevices(json: *Json, name: []const u8, text: []const u8, keys: []const [2][]const u8) WriteError!void {
    try json.objectField(name);
    try json.beginArray();
    var lines = std.mem.tokenizeScalar(u8, text, '\n');
    while (lines.next()) |line| {
        const colon = std.mem.indexOfScalar(u8, line, ':') orelse continue;
        const space = std.mem.indexOfScalarPos(u8, line, colon, ' ') orelse continue;
        const major = std.fmt.parseInt(u32, line[0..colon], 10) catch continue;
        const minor = std.fmt.parseInt(u32, line[colon + 1 .. space], 10) catch continue;
        for (keys) |key| {
            const value = nested(line[space..], key[0]) orelse continue;
            try json.beginObject();
            try field(json, "major", major);
            try field(json, "minor", minor);
            try json.objectField("op");
            try json.write(key[1]);
            try field(json, "value", value);
            try json.endObject();
        }
    }
    try json.endArray();
}

fn nested(pairs: []const u8, key: []const u8) ?u64 {
    var words = std.mem.tokenizeScalar(u8, pairs, ' ');
    while (words.next()) |word| {
        const equals = std.mem.indexOfScalar(u8, word, '=') orelse continue;
        if (std.mem.eql(u8, word[0..equals], key)) return files.parseNumber(word[equals + 1 ..]);
    }
    return null;
}

fn number(text: []const u8, key: []const u8) u64 {
    return files.parseNumber(files.valueOf(text, key) orelse return 0) orelse 0;
}

fn field(json: *Json, name: []const u8, value: u64) WriteError!void {
    try json.objectField(name);
    try json.write(value);
}

test "write() has runc's shape" {
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    for ([_][2][]const u8{
        .{ "cpu.stat", "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 7\n" },
        .{ "memory.current", "100\n" },
        .{ "memory.max", "max\n" },
        .{ "memory.stat", "anon 60\nfile 40\n" },
        .{ "memory.events", "max 9\noom_kill 0\n" },
        .{ "pids.current", "2\n" },
        .{ "pids.max", "10\n" },
        .{ "io.stat", "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n" },
    }) |file| try tmp.dir.writeFile(io, .{ .sub_path = file[0], .data = file[1] });
    var path: [64]u8 = undefined;
    const group: Cgroup = .{ .path = try std.fmt.bufPrintZ(&path, "/proc/self/fd/{d}", .{tmp.dir.handle}) };
    var buffer: [2048]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    try write(group, &w);
    try std.testing.expectEqualStrings(
        \\{"cpu":{"usage":{"total":5000,"kernel":2000,"user":3000},"throttling":{"periods":1,"throttledPeriods":1,"throttledTime":7000}},
    ++
        \\"memory":{"cache":40,"usage":{"usage":100,"limit":18446744073709551615,"failcnt":9},"raw":{"anon":60,"file":40}},
    ++
        \\"pids":{"current":2,"limit":10},
    ++
        \\"blkio":{"ioServiceBytesRecursive":[{"major":8,"minor":0,"op":"Read","value":1},{"major":8,"minor":0,"op":"Write","value":2}],
    ++
        \\"ioServicedRecursive":[{"major":8,"minor":0,"op":"Read","value":3},{"major":8,"minor":0,"op":"Write","value":4}]}}
    , w.buffered());
}
