//! The words of a command line: `--option VALUE`, `--option=VALUE`, `-o VALUE`, `-oVALUE`, and what is left.
//!
//! A verb's options are a struct: the field `pid_file: ?Text` is `--pid-file VALUE`, `force: bool` is `--force`,
//! `[]const Text` may be given again and again, numbers are decimal. Its `names` say what else an option is called.
const std = @import("std");
const sys = @import("../sys.zig");

pub const Text = [:0]const u8;
pub const Argument = [*:0]const u8;

const Kind = enum { flag, text, list, unsigned, signed };

/// One option of a struct: `at` is where its field lies.
const Option = struct { name: []const u8, kind: Kind, at: usize };

pub fn Parsed(comptime Options: type) type {
    return struct { options: Options, words: []const Text };
}

/// Where options may stand: among the words, or only before the first of them, the rest being somebody else's.
pub const Order = enum { anywhere, first };

/// Everything lives in `arena` or in `args`.
pub fn parse(
    comptime Options: type,
    arena: std.mem.Allocator,
    args: []const Argument,
    order: Order,
) sys.Error!Parsed(Options) {
    var options: Options = .{};
    var reading: Reading = .{
        .table = comptime &tableOf(Options),
        .base = @ptrCast(&options),
        .arena = arena,
        .args = args,
    };
    const words = reading.run(order) catch |err| switch (err) {
        error.OutOfMemory => return sys.fail("usage", "out of memory"),
        error.Syscall => return error.Syscall,
    };
    return .{ .options = options, .words = words };
}

fn tableOf(comptime Options: type) [countOf(Options)]Option {
    var table: [countOf(Options)]Option = undefined;
    const fields = std.meta.fields(Options);
    for (fields, table[0..fields.len]) |field, *option| {
        option.* = .{ .name = spelled(field.name), .kind = kindOf(field.type), .at = @offsetOf(Options, field.name) };
    }
    if (@hasDecl(Options, "names")) for (Options.names, table[fields.len..]) |pair, *option| {
        const Field = @FieldType(Options, pair[1]);
        option.* = .{ .name = pair[0], .kind = kindOf(Field), .at = @offsetOf(Options, pair[1]) };
    };
    return table;
}

fn countOf(comptime Options: type) usize {
    return std.meta.fields(Options).len + if (@hasDecl(Options, "names")) Options.names.len else 0;
}

fn spelled(comptime name: []const u8) []const u8 {
    comptime var text: [name.len]u8 = name[0..name.len].*;
    comptime std.mem.replaceScalar(u8, &text, '_', '-');
    const final = text;
    return &final;
}

fn kindOf(comptime T: type) Kind {
    return switch (T) {
        bool => .flag,
        ?Text => .text,
        []const Text => .list,
        ?u64 => .unsigned,
        ?i64 => .signed,
        else => @compileError("no option can be a " ++ @typeName(T)),
    };
}

const Reading = struct {
    table: []const Option,
    base: [*]u8,
    arena: std.mem.Allocator,
    args: []const Argument,
    next: usize = 0,

    const Error = error{ OutOfMemory, Syscall };

    fn run(r: *Reading, order: Order) Error![]const Text {
        const words = try r.arena.alloc(Text, r.args.len);
        var count: usize = 0;
        while (r.next < r.args.len) {
            const word = std.mem.span(r.args[r.next]);
            r.next += 1;
            if (std.mem.eql(u8, word, "--")) break;
            if (word.len > 2 and std.mem.startsWith(u8, word, "--")) {
                try r.takeLong(word);
            } else if (word.len > 1 and word[0] == '-') {
                try r.takeShort(word);
            } else {
                words[count] = word;
                count += 1;
                if (order == .first) break;
            }
        }
        for (r.args[r.next..]) |word| {
            words[count] = std.mem.span(word);
            count += 1;
        }
        return words[0..count];
    }

    fn takeLong(r: *Reading, word: Text) Error!void {
        const equals = std.mem.indexOfScalar(u8, word, '=') orelse word.len;
        const option = r.find(word[2..equals]) orelse return unknown(word[0..equals]);
        const given: ?Text = if (equals < word.len) word[equals + 1 ..] else null;
        if (option.kind == .flag) return r.setFlag(option, word, given);
        try r.set(option, given orelse try r.takeNext(word));
    }

    /// "-it" is "-i -t"; "-bDIR" and "-b DIR" are "-b" with a value.
    fn takeShort(r: *Reading, word: Text) Error!void {
        for (1..word.len) |i| {
            const option = r.find(word[i .. i + 1]) orelse return unknown(word);
            if (option.kind == .flag) {
                try r.setFlag(option, word, null);
                continue;
            }
            const rest = word[i + 1 ..];
            const value = if (rest.len > 0 and rest[0] == '=') rest[1..] else rest;
            return r.set(option, if (rest.len > 0) value else try r.takeNext(word));
        }
    }

    fn find(r: *const Reading, name: []const u8) ?*const Option {
        for (r.table) |*option| if (std.mem.eql(u8, option.name, name)) return option;
        return null;
    }

    fn takeNext(r: *Reading, word: []const u8) Error!Text {
        if (r.next == r.args.len) return sys.failFormat("usage", "{s} needs a value", .{word});
        r.next += 1;
        return std.mem.span(r.args[r.next - 1]);
    }

    fn setFlag(r: *Reading, option: *const Option, word: []const u8, given: ?Text) Error!void {
        const text = given orelse "true";
        const value = if (std.mem.eql(u8, text, "true")) true else if (std.mem.eql(u8, text, "false")) false else {
            return sys.failFormat("usage", "{s}: it is true or false", .{word});
        };
        r.field(bool, option).* = value;
    }

    fn set(r: *Reading, option: *const Option, value: Text) Error!void {
        switch (option.kind) {
            .flag => unreachable,
            .text => r.field(?Text, option).* = value,
            .list => {
                const list = r.field([]const Text, option);
                const longer = try r.arena.alloc(Text, list.len + 1);
                @memcpy(longer[0..list.len], list.*);
                longer[list.len] = value;
                list.* = longer;
            },
            .unsigned => r.field(?u64, option).* = std.fmt.parseInt(u64, value, 10) catch return notNumber(option, value),
            .signed => r.field(?i64, option).* = std.fmt.parseInt(i64, value, 10) catch return notNumber(option, value),
        }
    }

    fn field(r: *Reading, comptime T: type, option: *const Option) *T {
        return @ptrCast(@alignCast(r.base + option.at));
    }
};

fn unknown(word: []const u8) sys.Error {
    return sys.failFormat("usage", "there is no option \"{s}\" here: tspod oci --help lists them", .{word});
}

fn notNumber(option: *const Option, value: []const u8) sys.Error {
    return sys.failFormat("usage", "--{s} \"{s}\" is no number", .{ option.name, value });
}

const Example = struct {
    bundle: ?Text = null,
    pid_file: ?Text = null,
    force: bool = false,
    tty: bool = false,
    env: []const Text = &.{},
    preserve_fds: ?u64 = null,
    memory: ?i64 = null,
    pub const names = .{ .{ "b", "bundle" }, .{ "f", "force" }, .{ "t", "tty" }, .{ "e", "env" } };
};

fn parseExample(arena: std.mem.Allocator, args: []const Argument, order: Order) !Parsed(Example) {
    return parse(Example, arena, args, order);
}

test "options in every spelling, anywhere" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const got = try parseExample(arena, &.{
        "--bundle", "/x", "one", "--pid-file=/p=q", "-ft", "-eA=1", "-e", "B", "--memory", "-1", "--preserve-fds=3", "--", "-z",
    }, .anywhere);
    try std.testing.expectEqualStrings("/x", got.options.bundle.?);
    try std.testing.expectEqualStrings("/p=q", got.options.pid_file.?);
    try std.testing.expect(got.options.force and got.options.tty);
    try std.testing.expectEqualStrings("A=1", got.options.env[0]);
    try std.testing.expectEqualStrings("B", got.options.env[1]);
    try std.testing.expectEqual(@as(?i64, -1), got.options.memory);
    try std.testing.expectEqual(@as(?u64, 3), got.options.preserve_fds);
    try std.testing.expectEqual(@as(usize, 2), got.words.len);
    try std.testing.expectEqualStrings("-z", got.words[1]);
}

test "options first: what follows the first word is left alone" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const got = try parseExample(arena_state.allocator(), &.{ "-b/y", "id", "ls", "--force", "-l" }, .first);
    try std.testing.expectEqualStrings("/y", got.options.bundle.?);
    try std.testing.expect(!got.options.force);
    try std.testing.expectEqual(@as(usize, 4), got.words.len);
}

test "what is no option is named" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const wrong = [_][]const Argument{
        &.{"--bundel"}, &.{"-x"}, &.{"--bundle"}, &.{ "--memory", "many" }, &.{"--force=perhaps"}, &.{"--preserve-fds=-1"},
    };
    for (wrong) |args| try std.testing.expectError(error.Syscall, parseExample(arena, args, .anywhere));
    try std.testing.expectStringStartsWith(sys.failure.?.detail, "--preserve-fds \"-1\"");
}

test "fuzz: no command line crashes the parser" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            var text: [256]u8 = undefined;
            const length = smith.slice(text[0 .. text.len - 1]);
            text[length] = 0;
            var args: [16]Argument = undefined;
            var count: usize = 0;
            var words = std.mem.splitScalar(u8, text[0..length], ' ');
            while (words.next()) |word| {
                if (count == args.len) break;
                @constCast(word.ptr)[word.len] = 0;
                args[count] = @ptrCast(word.ptr);
                count += 1;
            }
            _ = parseExample(arena_state.allocator(), args[0..count], .anywhere) catch return;
        }
    }.one, .{ .corpus = &.{"--bundle /x -f id --env=A -eB"} });
}
