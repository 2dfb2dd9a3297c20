//! The program of the built-in image: shows who ran `tspod run --rm hello` what just happened to them, in a few lines.
//! It only looks around and prints once. It is its own static executable and shares nothing with the helper.
const std = @import("std");
const parse = @import("hello/parse.zig");
const look = @import("hello/look.zig");
const linux = std.os.linux;
const Writer = std.Io.Writer;

pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

/// Given by tspod to this image alone: when it was started, in milliseconds since 1970.
const start_variable = "TSPOD_START_MS";

pub fn main(init: std.process.Init.Minimal) u8 {
    var buffer: [4096]u8 = undefined;
    var writer: Writer = .fixed(&buffer);
    const environment = init.environ.block.slice;
    const no_color = find(environment, "NO_COLOR") orelse ""; // no-color.org: empty means not set
    const colour = look.isTerminal(1) and no_color.len == 0;
    report(&writer, .{ .colour = colour, .started = find(environment, start_variable) }) catch return 1;
    var rest = writer.buffered();
    while (rest.len > 0) {
        const rc = linux.write(1, rest.ptr, rest.len);
        if (linux.errno(rc) == .INTR) continue;
        if (linux.errno(rc) != .SUCCESS) return 1;
        rest = rest[rc..];
    }
    return 0;
}

const Options = struct { colour: bool, started: ?[]const u8 };

fn report(out: *Writer, options: Options) Writer.Error!void {
    const bold = if (options.colour) "\x1b[1m" else "";
    const plain = if (options.colour) "\x1b[0m" else "";
    try out.print("\n{s}Hello from inside a container.{s}\n\n", .{ bold, plain });
    try out.writeAll("  You started one file. No daemon, no root, no registry: it carried this image.\n\n");
    try identity(out);
    try namespaces(out);
    try limits(out);
    try network(out);
    try kernel(out);
    if (options.started) |started| {
        const start = parse.milliseconds(started) orelse -1;
        if (start >= 0) if (look.millisecondsSince(start)) |ms| {
            try out.print("  took       {d} ms from your command to this line\n", .{ms});
        };
    }
    try out.print("\n{s}Next:{s}\n", .{ bold, plain });
    try out.writeAll(
        \\  tspod run -it --rm alpine sh    a shell in Alpine Linux
        \\  tspod --help                    everything else
        \\
        \\
    );
}

fn identity(out: *Writer) Writer.Error!void {
    var buffer: [512]u8 = undefined;
    const map = parse.idMap(look.text("/proc/self/uid_map", &buffer));
    const uid = linux.getuid();
    try out.print("  who        {s} (uid {d}) in here", .{ if (uid == 0) "root" else "user", uid });
    if (map.root_outside) |outside| if (uid == 0) {
        const meaning = if (outside == 0) "" else ", with no more rights than that";
        try out.print("; uid {d} outside{s}", .{ outside, meaning });
    };
    try out.print("\n  ids        {d} exist in here", .{map.ids});
    if (map.ids == 1) try out.writeAll(": no subordinate ids outside, see `tspod info`");
    try out.print("\n  process    number {d}\n", .{linux.getpid()});
}

fn namespaces(out: *Writer) Writer.Error!void {
    const own = look.ownNamespaces();
    try out.writeAll("  separate   ");
    var first = true;
    inline for (comptime std.enums.values(look.Namespace)) |namespace| if (own.contains(namespace)) {
        const name = if (namespace == .mnt) "mount" else @tagName(namespace);
        try out.print("{s}{s}", .{ if (first) "" else ", ", name });
        first = false;
    };
    try out.writeAll(if (first) "nothing that can be seen from here\n" else " namespaces\n");
}

fn limits(out: *Writer) Writer.Error!void {
    var buffer: [64]u8 = undefined;
    try out.writeAll("  limits     ");
    if (parse.cpuHundredths(look.text("/sys/fs/cgroup/cpu.max", &buffer))) |hundredths| {
        try out.print("{d}.{d:0>2} processors, ", .{ hundredths / 100, hundredths % 100 });
    } else {
        try out.print("{d} processors, ", .{look.processors() orelse 0});
    }
    if (parse.limit(look.text("/sys/fs/cgroup/memory.max", &buffer))) |bytes| {
        try out.print("{d} MiB of memory", .{bytes >> 20});
    } else {
        try out.print("{d} MiB of memory (all there is)", .{(look.memoryBytes() orelse 0) >> 20});
    }
    if (parse.limit(look.text("/sys/fs/cgroup/pids.max", &buffer))) |count| {
        try out.print(", {d} processes", .{count});
    }
    try out.writeAll("\n");
}

fn network(out: *Writer) Writer.Error!void {
    var buffer: [8]look.Interface = undefined;
    try out.writeAll("  address    ");
    var count: usize = 0;
    for (look.interfaces(&buffer)) |interface| {
        const name = std.mem.sliceTo(&interface.name, 0);
        if (std.mem.eql(u8, name, "lo")) continue;
        const a = interface.address;
        try out.print("{s}{d}.{d}.{d}.{d} on {s}", .{ if (count == 0) "" else ", ", a[0], a[1], a[2], a[3], name });
        count += 1;
    }
    try out.writeAll(if (count == 0) "loopback only\n" else "\n");
}

fn kernel(out: *Writer) Writer.Error!void {
    var names: linux.utsname = undefined;
    if (linux.errno(linux.uname(&names)) != .SUCCESS) return;
    const host = std.mem.sliceTo(&names.nodename, 0);
    const release = std.mem.sliceTo(&names.release, 0);
    try out.print("  kernel     Linux {s} {s}, the one you had\n", .{ release, std.mem.sliceTo(&names.machine, 0) });
    try out.print("  host name  {s}\n", .{host});
}

fn find(environment: []const ?[*:0]const u8, name: []const u8) ?[]const u8 {
    for (environment) |entry| {
        const text = std.mem.span(entry orelse continue);
        if (text.len > name.len and text[name.len] == '=' and std.mem.startsWith(u8, text, name)) {
            return text[name.len + 1 ..];
        }
    }
    return null;
}

test "the report fits its buffer and has no colour unless asked" {
    var buffer: [4096]u8 = undefined;
    var writer: Writer = .fixed(&buffer);
    try report(&writer, .{ .colour = false, .started = "0" });
    try std.testing.expect(std.mem.find(u8, writer.buffered(), "\x1b") == null);
    try std.testing.expect(std.mem.find(u8, writer.buffered(), " ms from your command") != null);
    writer = .fixed(&buffer);
    try report(&writer, .{ .colour = true, .started = "never" });
    try std.testing.expect(std.mem.find(u8, writer.buffered(), "\x1b[1m") != null);
    try std.testing.expect(std.mem.find(u8, writer.buffered(), " ms from your command") == null);
}

test "find() reads a variable by its whole name" {
    const environment = [_]?[*:0]const u8{ "NO_COLORS=1", "A=", "B=x=y" };
    try std.testing.expectEqual(null, find(&environment, "NO_COLOR"));
    try std.testing.expectEqualStrings("x=y", find(&environment, "B").?);
}

test {
    _ = parse;
    _ = look;
}
