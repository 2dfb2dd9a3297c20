//! From JSON to Zig types, for files that others write: every refusal names the place, as a path through the file
//! ("config.json:3:7: process.args[2]: a string is expected, not a number").
//!
//! What a type says is what is required: a field without a default must be there. null is as good as absent, unknown
//! fields are ignored, a field given twice is refused. A string may not hold a NUL byte: it would end there for the
//! kernel, and everybody before the kernel would have seen the rest.
const std = @import("std");
const sys = @import("../sys.zig");
const readers = @import("reader.zig");
const Reader = readers.Reader;
const Allocator = std.mem.Allocator;

/// Decode all of `text`, which is called `name`. The result lives in `arena`, and may point into `text`.
pub fn decode(comptime T: type, arena: Allocator, name: []const u8, text: []const u8) sys.Error!T {
    var decoder: Decoder = .{ .arena = arena, .name = name, .reader = .{ .text = text } };
    const value = decoder.any(T) catch |err| return decoder.refuse(err);
    decoder.reader.expectEnd() catch |err| return decoder.refuse(err);
    return value;
}

/// An object that is only decoded when somebody wants it: until then it is a piece of text.
pub fn Lazy(comptime T: type) type {
    return struct {
        pub const Decoded = T;
        const Self = @This();

        text: []const u8,
        /// Where it stands, for the errors.
        name: []const u8 = "",
        file: []const u8 = "",
        path: Path = .{},

        pub fn decode(lazy: *const Self, arena: Allocator) sys.Error!T {
            var decoder: Decoder = .{ .arena = arena, .name = lazy.name, .reader = .{ .text = lazy.text } };
            if (lazy.file.len > 0) { // on from where it was found
                const start = @intFromPtr(lazy.text.ptr) - @intFromPtr(lazy.file.ptr);
                decoder.reader = .{ .text = lazy.file[0 .. start + lazy.text.len], .at = start };
            }
            decoder.path = lazy.path;
            const value = decoder.any(T) catch |err| return decoder.refuse(err);
            decoder.reader.expectEnd() catch |err| return decoder.refuse(err);
            return value;
        }
    };
}

const Segment = union(enum) { name: []const u8, index: usize };

/// The way to a value, for the error. Types are not nested deeper than this.
const Path = struct {
    segments: [16]Segment = undefined,
    length: usize = 0,

    fn push(path: *Path, segment: Segment) void {
        if (path.length < path.segments.len) path.segments[path.length] = segment;
        path.length += 1;
    }

    fn pop(path: *Path) void {
        path.length -= 1;
    }

    pub fn format(path: *const Path, w: *std.Io.Writer) std.Io.Writer.Error!void {
        for (path.segments[0..@min(path.length, path.segments.len)], 0..) |segment, i| switch (segment) {
            .index => |index| try w.print("[{d}]", .{index}),
            .name => |name| try w.print("{s}{s}", .{ if (i > 0) "." else "", name[0..@min(name.len, 64)] }),
        };
    }
};

/// Refused: `sys.failure` has been told.
const Error = readers.Error || sys.Error;

const Decoder = struct {
    arena: Allocator,
    name: []const u8,
    reader: Reader,
    path: Path = .{},

    fn refuse(decoder: *Decoder, err: Error) sys.Error {
        return switch (err) {
            error.Syscall => error.Syscall,
            error.OutOfMemory => sys.fail("parse", "out of memory"),
            error.Malformed => decoder.complain("{s}", .{decoder.reader.reason}),
        };
    }

    fn complain(decoder: *const Decoder, comptime text: []const u8, args: anytype) sys.Error {
        const place = decoder.reader.position();
        const colon = if (decoder.path.length > 0) ": " else "";
        return sys.failFormat("parse", "{s}:{d}:{d}: {f}{s}" ++ text, .{
            decoder.name, place.line, place.column, &decoder.path, colon,
        } ++ args);
    }

    fn expect(decoder: *Decoder, wanted: readers.Kind) Error!void {
        const kind = try decoder.reader.peek();
        if (kind == wanted) return;
        return decoder.complain("{s} is expected, not {s}", .{ wanted.words(), kind.words() });
    }

    fn any(decoder: *Decoder, comptime T: type) Error!T {
        if (T == std.json.Value) return decoder.value();
        switch (@typeInfo(T)) {
            .bool => {
                try decoder.expect(.boolean);
                return decoder.reader.boolean();
            },
            .int => return decoder.integer(T),
            .@"enum" => return decoder.choice(T),
            .optional => |info| {
                if (try decoder.reader.peek() != .null) return try decoder.any(info.child);
                try decoder.reader.nothing();
                return null;
            },
            .pointer => |info| {
                if (info.child == u8) return decoder.string(T);
                return decoder.list(info.child);
            },
            .@"struct" => {
                if (@hasDecl(T, "Decoded")) return decoder.lazy(T);
                if (@hasDecl(T, "Wire")) {
                    const wire = try decoder.any(T.Wire);
                    return T.fromWire(decoder.arena, wire) catch |err| switch (err) {
                        error.OutOfMemory => error.OutOfMemory,
                        error.Invalid => decoder.complain("a value in it is out of range", .{}),
                    };
                }
                if (@hasDecl(T, "jsonParse") and @hasField(T, "map")) return decoder.map(T);
                return decoder.object(T);
            },
            else => @compileError("cannot decode " ++ @typeName(T)),
        }
    }

    /// A number that is whole, however it is written ("1", "1.0", "1e3").
    fn integer(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.number);
        const start = decoder.reader.at;
        const text = try decoder.reader.number();
        if (std.fmt.parseInt(T, text, 10)) |number| return number else |_| {}
        if (std.mem.indexOfAny(u8, text, ".eE") != null) {
            const exact_max = 1 << 53; // beyond it a double has gaps
            const number = std.fmt.parseFloat(f64, text) catch 0.5;
            if (number == @trunc(number) and @abs(number) <= exact_max) {
                if (std.math.cast(T, @as(i64, @intFromFloat(number)))) |whole| return whole;
            }
        }
        const shown = text[0..@min(text.len, 40)];
        decoder.reader.at = start; // that is the place
        return decoder.complain("{s} is no whole number between {d} and {d}", .{
            shown, std.math.minInt(T), std.math.maxInt(T),
        });
    }

    fn choice(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.string);
        const start = decoder.reader.at;
        const text = try decoder.reader.string(decoder.arena);
        if (std.meta.stringToEnum(T, text)) |found| return found;
        const all = comptime names: {
            var joined: []const u8 = "";
            for (std.meta.fieldNames(T), 0..) |name, i| joined = joined ++ (if (i > 0) ", " else "") ++ name;
            break :names joined;
        };
        decoder.reader.at = start;
        return decoder.complain("\"{s}\" is none of {s}", .{ text[0..@min(text.len, 64)], all });
    }

    fn string(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.string);
        const start = decoder.reader.at;
        const text = try decoder.reader.string(decoder.arena);
        if (std.mem.indexOfScalar(u8, text, 0) != null) {
            decoder.reader.at = start;
            return decoder.complain("a NUL byte cannot be part of it", .{});
        }
        if (@typeInfo(T).pointer.sentinel() == null) return text;
        return decoder.arena.dupeZ(u8, text);
    }

    fn list(decoder: *Decoder, comptime Item: type) Error![]const Item {
        try decoder.expect(.list);
        try decoder.reader.enter();
        var items: std.ArrayList(Item) = .empty;
        while (try decoder.reader.nextItem(items.items.len == 0)) {
            decoder.path.push(.{ .index = items.items.len });
            try items.append(decoder.arena, try decoder.any(Item));
            decoder.path.pop();
        }
        return items.items;
    }

    fn map(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.object);
        try decoder.reader.enter();
        var result: T = .{};
        var is_first = true;
        while (try decoder.reader.nextName(decoder.arena, is_first)) |name| : (is_first = false) {
            decoder.path.push(.{ .name = name });
            if (std.mem.indexOfScalar(u8, name, 0) != null) return decoder.complain("a NUL byte cannot be part of a name", .{});
            const entry = try result.map.getOrPut(decoder.arena, name);
            if (entry.found_existing) return decoder.complain("it is given twice", .{});
            entry.value_ptr.* = try decoder.any(@TypeOf(entry.value_ptr.*));
            decoder.path.pop();
        }
        return result;
    }

    fn object(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.object);
        try decoder.reader.enter();
        const fields = std.meta.fields(T);
        var result: T = undefined;
        var seen: std.StaticBitSet(@max(1, fields.len)) = .initEmpty();
        var absent: std.StaticBitSet(@max(1, fields.len)) = .initFull();
        var is_first = true;
        while (try decoder.reader.nextName(decoder.arena, is_first)) |name| : (is_first = false) {
            inline for (fields, 0..) |field, i| {
                if (std.mem.eql(u8, name, field.name)) {
                    decoder.path.push(.{ .name = field.name });
                    if (seen.isSet(i)) return decoder.complain("it is given twice", .{});
                    seen.set(i);
                    if (try decoder.reader.peek() == .null) {
                        try decoder.reader.nothing();
                    } else {
                        @field(result, field.name) = try decoder.any(field.type);
                        absent.unset(i);
                    }
                    decoder.path.pop();
                    break;
                }
            } else _ = try decoder.reader.skip(decoder.arena);
        }
        inline for (fields, 0..) |field, i| if (absent.isSet(i)) {
            const fallback = field.defaultValue() orelse if (@typeInfo(field.type) == .optional) null else {
                return decoder.complain("{s} is missing", .{field.name});
            };
            @field(result, field.name) = fallback;
        };
        return result;
    }

    fn lazy(decoder: *Decoder, comptime T: type) Error!T {
        try decoder.expect(.object);
        return .{
            .text = try decoder.reader.skipUnchecked(),
            .name = decoder.name,
            .file = decoder.reader.text,
            .path = decoder.path,
        };
    }

    /// For those who pass on what they do not understand.
    fn value(decoder: *Decoder) Error!std.json.Value {
        const text = try decoder.reader.skip(decoder.arena);
        return std.json.parseFromSliceLeaky(std.json.Value, decoder.arena, text, .{}) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            else => decoder.complain("{t}", .{err}),
        };
    }
};

const Sample = struct {
    required: u8,
    text: [:0]const u8 = "x",
    kind: enum { one, two } = .one,
    numbers: []const i32 = &.{},
    inner: ?struct { flag: bool = false, name: []const u8 } = null,
    map: std.json.ArrayHashMap([]const u8) = .{},
    later: ?Lazy(struct { deep: []const u16 = &.{} }) = null,
};

test "decode() takes what is right" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const sample = try decode(Sample, arena_state.allocator(), "s",
        \\ {"unknown": [{"a": null}], "required": 2.5e1, "text": "a\u00e9\n", "numbers": [-1, 1e2], "kind": "two",
        \\  "inner": {"name": "n", "flag": null}, "map": {"k": "v", "l": "w"}, "later": {"deep": [1, 2]}}
    );
    try std.testing.expectEqual(@as(u8, 25), sample.required);
    try std.testing.expectEqualStrings("a\u{e9}\n", sample.text);
    try std.testing.expectEqualSlices(i32, &.{ -1, 100 }, sample.numbers);
    try std.testing.expectEqual(.two, sample.kind);
    try std.testing.expect(!sample.inner.?.flag);
    try std.testing.expectEqualStrings("w", sample.map.map.get("l").?);
    try std.testing.expectEqualStrings("{\"deep\": [1, 2]}", sample.later.?.text);
    const later = try sample.later.?.decode(arena_state.allocator());
    try std.testing.expectEqualSlices(u16, &.{ 1, 2 }, later.deep);
}

test "decode() names the place of what is wrong" {
    const cases = [_][2][]const u8{
        .{ "{}", "s:1:3: required is missing" },
        .{ "[]", "s:1:1: an object is expected, not a list" },
        .{ "{\"required\":\n\"1\"}", "s:2:1: required: a number is expected, not a string" },
        .{ "{\"required\":256}", "s:1:13: required: 256 is no whole number between 0 and 255" },
        .{ "{\"required\":-1}", "s:1:13: required: -1 is no whole number between 0 and 255" },
        .{ "{\"required\":1.5}", "s:1:13: required: 1.5 is no whole number between 0 and 255" },
        .{ "{\"required\":1e400}", "s:1:13: required: 1e400 is no whole number between 0 and 255" },
        .{ "{\"required\":1,\"required\":1}", "s:1:26: required: it is given twice" },
        .{ "{\"map\":{\"a\":\"\",\"a\":\"\"}}", "s:1:20: map.a: it is given twice" },
        .{ "{\"numbers\":[1,[]]}", "s:1:15: numbers[1]: a number is expected, not a list" },
        .{ "{\"inner\":{\"flag\":0}}", "s:1:18: inner.flag: true or false is expected, not a number" },
        .{ "{\"inner\":{}}", "s:1:12: inner: name is missing" },
        .{ "{\"inner\":{\"name\":null}}", "s:1:23: inner: name is missing" },
        .{ "{\"kind\":\"three\"}", "s:1:9: kind: \"three\" is none of one, two" },
        .{ "{\"text\":\"a\\u0000b\"}", "s:1:9: text: a NUL byte cannot be part of it" },
        .{ "{\"required\":1", "s:1:14: the text ends too early" },
        .{ "{\"required\":1}}", "s:1:15: something follows the end" },
        .{ "{\"required\" 1}", "s:1:13: a colon is missing" },
    };
    for (cases) |case| {
        var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
        defer arena_state.deinit();
        try std.testing.expectError(error.Syscall, decode(Sample, arena_state.allocator(), "s", case[0]));
        try std.testing.expectEqualStrings(case[1], sys.failure.?.detail);
    }
}

test "what is decoded later names its place as well" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const sample = try decode(Sample, arena, "s", "{\"required\":1,\n\"later\":{\"deep\":[true]}}");
    try std.testing.expectError(error.Syscall, sample.later.?.decode(arena));
    try std.testing.expectEqualStrings("s:2:18: later.deep[0]: a number is expected, not true or false", sys.failure.?.detail);
}

test "fuzz: whatever the text, decode() decodes or refuses with a sentence" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [1024]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            const text = buffer[0..smith.slice(&buffer)];
            const sample = decode(Sample, arena_state.allocator(), "f", text) catch {
                try std.testing.expectStringStartsWith(sys.failure.?.detail, "f:");
                return;
            };
            if (sample.later) |later| _ = later.decode(arena_state.allocator()) catch return;
        }
    }.one, .{ .corpus = &.{"{\"required\":1,\"numbers\":[1],\"inner\":{\"name\":\"\"},\"later\":{\"deep\":[]}}"} });
}
