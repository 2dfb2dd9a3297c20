//! Where systemd listens: for root the system's, for everybody else their own. Its private socket comes first: there
//! is no broker in between, and it is there without one.
const std = @import("std");
const connection = @import("connection.zig");
const linux = std.os.linux;

const Address = connection.Address;
pub const Environment = [*:null]const ?[*:0]const u8;

pub const candidates_max = 6;

/// In the order in which they are tried. The texts live in `arena` or in the environment.
pub fn candidates(arena: std.mem.Allocator, environ: Environment, uid: u32) error{OutOfMemory}![]const Address {
    var list: std.ArrayList(Address) = try .initCapacity(arena, candidates_max);
    if (uid == 0) {
        list.appendAssumeCapacity(.{ .name = "/run/systemd/private", .is_bus = false });
        list.appendAssumeCapacity(.{ .name = "/run/dbus/system_bus_socket", .is_bus = true });
        return list.items;
    }
    const asked = find(environ, "XDG_RUNTIME_DIR");
    if (asked) |directory| try appendRuntime(arena, &list, directory);
    if (find(environ, "DBUS_SESSION_BUS_ADDRESS")) |text| {
        if (try parse(arena, text)) |address| list.appendAssumeCapacity(address);
    }
    // cron and su set neither; the directory is root's to make, so what listens in it is the user's.
    const usual = try std.fmt.allocPrint(arena, "/run/user/{d}", .{uid});
    if (asked == null or !std.mem.eql(u8, asked.?, usual)) try appendRuntime(arena, &list, usual);
    return list.items;
}

fn appendRuntime(arena: std.mem.Allocator, list: *std.ArrayList(Address), directory: []const u8) error{OutOfMemory}!void {
    if (!std.mem.startsWith(u8, directory, "/")) return;
    list.appendAssumeCapacity(.{
        .name = try std.fmt.allocPrint(arena, "{s}/systemd/private", .{directory}),
        .is_bus = false,
    });
    list.appendAssumeCapacity(.{ .name = try std.fmt.allocPrint(arena, "{s}/bus", .{directory}), .is_bus = true });
}

fn find(environ: Environment, name: []const u8) ?[]const u8 {
    var i: usize = 0;
    while (environ[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        if (text.len > name.len and text[name.len] == '=' and std.mem.startsWith(u8, text, name)) {
            return if (text.len > name.len + 1) text[name.len + 1 ..] else null;
        }
    }
    return null;
}

/// The first unix socket of "unix:path=/run/user/1000/bus,guid=0a;unix:abstract=/tmp/x". Null: there is none.
fn parse(arena: std.mem.Allocator, text: []const u8) error{OutOfMemory}!?Address {
    var addresses = std.mem.splitScalar(u8, text, ';');
    while (addresses.next()) |address| {
        const pairs = if (std.mem.startsWith(u8, address, "unix:")) address["unix:".len..] else continue;
        var fields = std.mem.splitScalar(u8, pairs, ',');
        while (fields.next()) |field| {
            const is_abstract = std.mem.startsWith(u8, field, "abstract=");
            if (!is_abstract and !std.mem.startsWith(u8, field, "path=")) continue;
            const value = field[std.mem.indexOfScalar(u8, field, '=').? + 1 ..];
            const name = try unescape(arena, value) orelse continue;
            return .{ .name = name, .is_abstract = is_abstract, .is_bus = true };
        }
    }
    return null;
}

/// "%20" is a space. Null: no such escape.
fn unescape(arena: std.mem.Allocator, text: []const u8) error{OutOfMemory}!?[]const u8 {
    const out = try arena.alloc(u8, text.len);
    var used: usize = 0;
    var at: usize = 0;
    while (at < text.len) : (at += 1) {
        if (text[at] == '%') {
            if (at + 2 >= text.len) return null;
            out[used] = std.fmt.parseInt(u8, text[at + 1 ..][0..2], 16) catch return null;
            at += 2;
        } else out[used] = text[at];
        used += 1;
    }
    if (used == 0 or std.mem.indexOfScalar(u8, out[0..used], 0) != null) return null;
    return out[0..used];
}

test "candidates() takes what the session says, and what systemd always does" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const session: [3:null]?[*:0]const u8 = .{
        "XDG_RUNTIME_DIR=/run/user/7", "A=b", "DBUS_SESSION_BUS_ADDRESS=tcp:host=x;unix:guid=1,path=/tmp/a%20b",
    };
    const found = try candidates(arena, &session, 7);
    const names = [_][]const u8{ "/run/user/7/systemd/private", "/run/user/7/bus", "/tmp/a b" };
    try std.testing.expectEqual(names.len, found.len);
    for (names, found) |name, address| try std.testing.expectEqualStrings(name, address.name);
    const bare: [0:null]?[*:0]const u8 = .{};
    try std.testing.expectEqualStrings("/run/user/8/systemd/private", (try candidates(arena, &bare, 8))[0].name);
    try std.testing.expectEqualStrings("/run/systemd/private", (try candidates(arena, &bare, 0))[0].name);
}

test "parse() knows abstract sockets, and nothing that is none" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const abstract = (try parse(arena, "unix:abstract=/tmp/dbus-x,guid=1")).?;
    try std.testing.expect(abstract.is_abstract);
    try std.testing.expectEqualStrings("/tmp/dbus-x", abstract.name);
    for ([_][]const u8{ "", "unix:", "unix:path=", "unix:path=%", "unix:path=%0", "unix:path=%zz", "unix:path=%00", "autolaunch:" }) |bad| {
        try std.testing.expectEqual(null, try parse(arena, bad));
    }
}

test "fuzz: no address crashes the parser" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [512]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            _ = try parse(arena_state.allocator(), buffer[0..smith.slice(&buffer)]);
        }
    }.one, .{ .corpus = &.{"unix:path=/run/user/1000/bus"} });
}
