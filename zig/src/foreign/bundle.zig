//! config.json as another runtime is to read it, and `process` for its exec: what is done already is taken out, what only
//! we know is put in, and everything else stays as it was written, fields included that we have no name for.
//! Works on JSON values in memory; touches no file.
const std = @import("std");
const sys = @import("../sys.zig");
const prepare = @import("../prepare.zig");
const terminals = @import("../process/terminal.zig");
const Moved = @import("source.zig").Moved;
const Value = std.json.Value;
const Allocator = std.mem.Allocator;

/// Who the program runs as, looked up in the container's own files.
pub const Person = struct { uid: u32, gid: u32, groups: []const u32, home: []const u8 };

pub const Changes = struct {
    /// Null: config.json's ids are meant as they stand.
    person: ?Person,
    console_size: ?terminals.Size = null,
    /// "KEY=value" that are not written in it, in the stead of those that have the same names.
    variables: []const [:0]const u8 = &.{},
    /// Our own executable, as a file that everybody may execute: it becomes process 1 (`--init`).
    init: ?[]const u8 = null,
    substitutes: []const Substitute = &.{},
    moved: []const Moved = &.{},
    /// The network is there, with what is in it and its sysctls: it is the one that the runtime is called in.
    has_network: bool = false,
    /// The user namespace has no such group: terminals belong to the group of their process (rootfs/mounts.zig).
    lacks_tty_group: bool = false,
};

/// Mounts of this type become binds of what the host has; null: they are left out.
pub const Substitute = struct { type: []const u8, source: ?[:0]const u8 };

const Error = sys.Error || error{OutOfMemory};

/// Where the tiny init lies inside: /dev is the container's own, so the image keeps no trace of it.
const init_path = "/dev/tspod-init";

pub fn adapt(arena: Allocator, config: *Value, changes: Changes) Error!void {
    const spec = try objectOf(config, "config.json");
    if (spec.getPtr("linux")) |linux| try forgetWhatIsDone(try objectOf(linux, "linux"), changes.has_network);
    const process = spec.getPtr("process") orelse return sys.fail("prepare", "config.json has no process");
    try adaptProcess(arena, process, changes);
    const mounts = try spec.getOrPutValue(arena, "mounts", .{ .array = .init(arena) });
    const list = try arrayOf(mounts.value_ptr, "mounts");
    for (changes.moved) |moved| try redirect(arena, list, moved);
    for (changes.substitutes) |substitute| try replace(arena, list, substitute);
    if (changes.lacks_tty_group) for (list.items) |*item| try forgetGroup(try objectOf(item, "mounts"));
    if (changes.init) |file| try list.append(try bindMount(arena, file, init_path));
}

fn forgetGroup(mount: *std.json.ObjectMap) Error!void {
    const kind = mount.get("type") orelse return;
    if (kind != .string or !std.mem.eql(u8, kind.string, "devpts")) return;
    const options = try arrayOf(mount.getPtr("options") orelse return, "options");
    var i: usize = 0;
    while (i < options.items.len) {
        const option = options.items[i];
        const is_group = option == .string and std.mem.startsWith(u8, option.string, "gid=");
        if (is_group) _ = options.orderedRemove(i) else i += 1;
    }
}

fn redirect(arena: Allocator, mounts: *std.json.Array, moved: Moved) Error!void {
    for (mounts.items) |*item| {
        const mount = try objectOf(item, "mounts");
        const source = mount.get("source") orelse continue;
        if (source != .string or !std.mem.eql(u8, source.string, moved.from)) continue;
        try mount.put(arena, "source", .{ .string = moved.to });
    }
}

fn replace(arena: Allocator, mounts: *std.json.Array, substitute: Substitute) Error!void {
    var kept: std.json.Array = .init(arena);
    for (mounts.items) |*item| {
        const mount = try objectOf(item, "mounts");
        const kind = mount.get("type") orelse Value.null;
        if (kind == .string and std.mem.eql(u8, kind.string, substitute.type)) {
            const source = substitute.source orelse continue;
            try mount.put(arena, "type", .{ .string = "bind" });
            try mount.put(arena, "source", .{ .string = source });
            const options = try mount.getOrPutValue(arena, "options", .{ .array = .init(arena) });
            try (try arrayOf(options.value_ptr, "options")).insert(0, .{ .string = "rbind" });
        }
        try kept.append(item.*);
    }
    mounts.* = kept;
}

/// Its user namespace exists, those that it joins are joined, and there is a group with its limits.
fn forgetWhatIsDone(linux: *std.json.ObjectMap, has_network: bool) Error!void {
    for ([_][]const u8{ "uidMappings", "gidMappings", "resources", "cgroupsPath" }) |name| _ = linux.orderedRemove(name);
    if (has_network) try forgetNetworkSysctls(linux);
    const namespaces = try arrayOf(linux.getPtr("namespaces") orelse return, "namespaces");
    var i: usize = 0;
    while (i < namespaces.items.len) {
        const kind = (try objectOf(&namespaces.items[i], "namespaces")).get("type") orelse Value.null;
        const is_user = kind == .string and std.mem.eql(u8, kind.string, "user");
        const is_network = has_network and kind == .string and std.mem.eql(u8, kind.string, "network");
        const is_joined = (namespaces.items[i].object.get("path") orelse Value.null) == .string;
        if (is_user or is_network or is_joined) _ = namespaces.orderedRemove(i) else i += 1;
    }
}

/// Runtimes set them in networks of their own only.
fn forgetNetworkSysctls(linux: *std.json.ObjectMap) Error!void {
    const sysctls = try objectOf(linux.getPtr("sysctl") orelse return, "linux.sysctl");
    var i: usize = 0;
    while (i < sysctls.count()) {
        const name = sysctls.keys()[i];
        const is_network = std.mem.startsWith(u8, name, "net.") or std.mem.startsWith(u8, name, "net/");
        if (is_network) sysctls.orderedRemoveAt(i) else i += 1;
    }
}

pub fn adaptProcess(arena: Allocator, value: *Value, changes: Changes) Error!void {
    const process = try objectOf(value, "process");
    if (changes.console_size) |size| {
        var object: std.json.ObjectMap = .empty;
        try object.put(arena, "height", .{ .integer = size.rows });
        try object.put(arena, "width", .{ .integer = size.columns });
        try process.put(arena, "consoleSize", .{ .object = object });
    }
    if (changes.variables.len > 0) try addVariables(arena, process, changes.variables);
    if (changes.person) |person| try become(arena, process, person);
    if (changes.init == null) return;
    // An empty FILE: init looks the program up, for nobody can before everything is mounted.
    const args = try arrayOf(process.getPtr("args") orelse return, "process.args");
    try args.insertSlice(0, &.{
        .{ .string = init_path }, .{ .string = "native" }, .{ .string = "init" }, .{ .string = "" }, .{ .string = "" },
    });
}

fn addVariables(arena: Allocator, process: *std.json.ObjectMap, added: []const [:0]const u8) Error!void {
    const env = try process.getOrPutValue(arena, "env", .{ .array = .init(arena) });
    const variables = try arrayOf(env.value_ptr, "process.env");
    var result: std.json.Array = .init(arena);
    for (added) |variable| try result.append(.{ .string = variable });
    for (variables.items) |variable| {
        const is_replaced = variable == .string and prepare.isNamed(added, variable.string);
        if (!is_replaced) try result.append(variable);
    }
    variables.* = result;
}

fn become(arena: Allocator, process: *std.json.ObjectMap, person: Person) Error!void {
    const entry = try process.getOrPutValue(arena, "user", .{ .object = .empty });
    const user = try objectOf(entry.value_ptr, "process.user");
    try user.put(arena, "uid", .{ .integer = person.uid });
    try user.put(arena, "gid", .{ .integer = person.gid });
    var groups: std.json.Array = .init(arena);
    for (person.groups) |gid| try groups.append(.{ .integer = gid });
    try user.put(arena, "additionalGids", .{ .array = groups });

    const env = try process.getOrPutValue(arena, "env", .{ .array = .init(arena) });
    const variables = try arrayOf(env.value_ptr, "process.env");
    for (variables.items) |variable| {
        if (variable == .string and std.mem.startsWith(u8, variable.string, "HOME=")) return;
    }
    const home = if (person.home.len > 0) person.home else "/";
    try variables.append(.{ .string = try std.fmt.allocPrint(arena, "HOME={s}", .{home}) });
}

fn bindMount(arena: Allocator, source: []const u8, destination: []const u8) Error!Value {
    var mount: std.json.ObjectMap = .empty;
    try mount.put(arena, "destination", .{ .string = destination });
    try mount.put(arena, "type", .{ .string = "bind" });
    try mount.put(arena, "source", .{ .string = source });
    var options: std.json.Array = .init(arena);
    for ([_][]const u8{ "bind", "ro", "nosuid", "nodev" }) |option| try options.append(.{ .string = option });
    try mount.put(arena, "options", .{ .array = options });
    return .{ .object = mount };
}

fn objectOf(value: *Value, name: []const u8) sys.Error!*std.json.ObjectMap {
    if (value.* == .object) return &value.object;
    return sys.failFormat("parse", "{s} is no object", .{name});
}

fn arrayOf(value: *Value, name: []const u8) sys.Error!*std.json.Array {
    if (value.* == .array) return &value.array;
    return sys.failFormat("parse", "{s} is no array", .{name});
}

fn parseForTest(arena: Allocator, text: []const u8) !Value {
    return std.json.parseFromSliceLeaky(Value, arena, text, .{});
}

test "adapt() takes out what is done and keeps what it does not know" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var config = try parseForTest(arena,
        \\{"process":{"args":["sh"],"user":{"uid":0,"umask":18},"env":["A=1","S=old"],"new":[1.5,18446744073709551615]},
        \\ "mounts":[{"type":"proc"},{"type":"mqueue"},{"type":"tmpfs","source":"/proc/7/x"}],"linux":{"uidMappings":[{"size":1}],"gidMappings":[],"resources":{},"cgroupsPath":"x","x":true,
        \\ "namespaces":[{"type":"user"},{"type":"pid"},{"type":"network","path":"/n"}]}}
    );
    try adapt(arena, &config, .{
        .person = .{ .uid = 1000, .gid = 7, .groups = &.{50}, .home = "/home/app" },
        .console_size = .{ .rows = 24, .columns = 80 },
        .variables = &.{"S=new"},
        .init = "/x/tspod",
        .moved = &.{.{ .from = "/proc/7/x", .to = "/r/source-0" }},
        .substitutes = &.{ .{ .type = "proc", .source = "/proc" }, .{ .type = "mqueue", .source = null } },
    });
    const text = try std.json.Stringify.valueAlloc(arena, config, .{});
    try std.testing.expectEqualStrings(
        "{\"process\":{\"args\":[\"/dev/tspod-init\",\"native\",\"init\",\"\",\"\",\"sh\"]," ++
            "\"user\":{\"uid\":1000,\"umask\":18,\"gid\":7,\"additionalGids\":[50]},\"env\":[\"S=new\",\"A=1\",\"HOME=/home/app\"]," ++
            "\"new\":[1.5,18446744073709551615],\"consoleSize\":{\"height\":24,\"width\":80}}," ++
            "\"mounts\":[{\"type\":\"bind\",\"source\":\"/proc\",\"options\":[\"rbind\"]},{\"type\":\"tmpfs\",\"source\":\"/r/source-0\"}," ++
            "{\"destination\":\"/dev/tspod-init\",\"type\":\"bind\",\"source\":\"/x/tspod\"," ++
            "\"options\":[\"bind\",\"ro\",\"nosuid\",\"nodev\"]}]," ++
            "\"linux\":{\"x\":true,\"namespaces\":[{\"type\":\"pid\"}]}}",
        text,
    );
}

test "adapt() leaves a network that is there out, and its sysctls" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var config = try parseForTest(arena,
        \\{"process":{},"linux":{"sysctl":{"net.ipv4.x":"1","kernel.msgmax":"2","net/y":"3"},
        \\ "namespaces":[{"type":"network"},{"type":"pid"}]}}
    );
    try adapt(arena, &config, .{ .person = null, .has_network = true });
    const text = try std.json.Stringify.valueAlloc(arena, config.object.get("linux").?, .{});
    try std.testing.expectEqualStrings("{\"sysctl\":{\"kernel.msgmax\":\"2\"},\"namespaces\":[{\"type\":\"pid\"}]}", text);
}

test "adapt() asks for no group of terminals where there is none" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var config = try parseForTest(arena,
        \\{"process":{},"mounts":[{"type":"tmpfs","options":["gid=5"]},{"type":"devpts","options":["ro","gid=5"]},{"type":"devpts"}]}
    );
    try adapt(arena, &config, .{ .person = null, .lacks_tty_group = true });
    const text = try std.json.Stringify.valueAlloc(arena, config.object.get("mounts").?, .{});
    try std.testing.expectEqualStrings("[{\"type\":\"tmpfs\",\"options\":[\"gid=5\"]}," ++
        "{\"type\":\"devpts\",\"options\":[\"ro\"]},{\"type\":\"devpts\"}]", text);
}

test "adapt() refuses what is no config.json with a sentence" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    for ([_][]const u8{
        "[]",                         "{}", "{\"process\":1}", "{\"process\":{},\"linux\":[]}", "{\"process\":{},\"linux\":{\"namespaces\":{}}}",
        "{\"process\":{\"user\":1}}",
    }) |bad| {
        var config = try parseForTest(arena, bad);
        const changes: Changes = .{ .person = .{ .uid = 0, .gid = 0, .groups = &.{}, .home = "" } };
        try std.testing.expectError(error.Syscall, adapt(arena, &config, changes));
    }
}

test "fuzz: no JSON crashes adapt()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [2048]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            const arena = arena_state.allocator();
            var config = parseForTest(arena, buffer[0..smith.slice(&buffer)]) catch return;
            const person: Person = .{ .uid = 1, .gid = 2, .groups = &.{3}, .home = "" };
            adapt(arena, &config, .{ .person = person, .init = "/x" }) catch return;
        }
    }.one, .{ .corpus = &.{"{\"process\":{\"args\":[\"sh\"]},\"mounts\":[],\"linux\":{\"namespaces\":[{\"type\":\"user\"}]}}"} });
}
