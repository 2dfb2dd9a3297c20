//! JSON (RFC 8259) from one piece of text in memory, pulled value by value: strict, without recursion, with a limit on
//! nesting. It knows where it is and what is wrong there, but nothing of what the values mean (decode.zig).
const std = @import("std");

pub const Error = error{ Malformed, OutOfMemory };

/// What begins with the next byte that is no blank.
pub const Kind = enum {
    object,
    list,
    string,
    number,
    boolean,
    null,

    /// As part of a sentence.
    pub fn words(kind: Kind) []const u8 {
        return switch (kind) {
            .object => "an object",
            .list => "a list",
            .string => "a string",
            .number => "a number",
            .boolean => "true or false",
            .null => "null",
        };
    }
};

/// No file that means something is nested deeper than this.
pub const depth_max = 64;

pub const Reader = struct {
    text: []const u8,
    at: usize = 0,
    depth: usize = 0,
    /// After `error.Malformed`: what is wrong, as the end of a sentence.
    reason: []const u8 = "",

    pub fn peek(reader: *Reader) Error!Kind {
        reader.skipBlanks();
        return switch (reader.byte()) {
            '{' => .object,
            '[' => .list,
            '"' => .string,
            '-', '0'...'9' => .number,
            't', 'f' => .boolean,
            'n' => .null,
            else => reader.fail("no value begins here"),
        };
    }

    /// Whole lines before the place that was read to, and bytes of the last one.
    pub fn position(reader: *const Reader) struct { line: usize, column: usize } {
        const before = reader.text[0..@min(reader.at, reader.text.len)];
        const start = if (std.mem.lastIndexOfScalar(u8, before, '\n')) |newline| newline + 1 else 0;
        return .{ .line = std.mem.count(u8, before, "\n") + 1, .column = before.len - start + 1 };
    }

    /// 0 at the end: no byte of JSON that means something.
    fn byte(reader: *const Reader) u8 {
        return if (reader.at < reader.text.len) reader.text[reader.at] else 0;
    }

    fn fail(reader: *Reader, reason: []const u8) error{Malformed} {
        reader.reason = if (reader.at >= reader.text.len) "the text ends too early" else reason;
        return error.Malformed;
    }

    fn skipBlanks(reader: *Reader) void {
        while (reader.at < reader.text.len) switch (reader.text[reader.at]) {
            ' ', '\t', '\n', '\r' => reader.at += 1,
            else => return,
        };
    }

    // objects and lists ---------------------------------------------------------------------------------------

    /// After `peek` said which. Then `nextName` or `nextItem` until they say that it is over.
    pub fn enter(reader: *Reader) Error!void {
        if (reader.depth == depth_max) return reader.fail("it is nested too deeply");
        reader.depth += 1;
        reader.at += 1;
    }

    /// The name of the next member, in place or unescaped into `arena`; null: the object is over.
    pub fn nextName(reader: *Reader, arena: std.mem.Allocator, is_first: bool) Error!?[]const u8 {
        if (!try reader.next('}', is_first)) return null;
        reader.skipBlanks();
        if (reader.byte() != '"') return reader.fail("the name of a member is missing");
        const name = try reader.string(arena);
        reader.skipBlanks();
        if (reader.byte() != ':') return reader.fail("a colon is missing");
        reader.at += 1;
        return name;
    }

    pub fn nextItem(reader: *Reader, is_first: bool) Error!bool {
        return reader.next(']', is_first);
    }

    fn next(reader: *Reader, comptime end: u8, is_first: bool) Error!bool {
        reader.skipBlanks();
        if (reader.byte() == end) {
            reader.at += 1;
            reader.depth -= 1;
            return false;
        }
        if (is_first) return true;
        if (reader.byte() != ',') return reader.fail("a comma is missing");
        reader.at += 1;
        return true;
    }

    // values --------------------------------------------------------------------------------------------------

    /// In place when nothing is escaped, else in `arena`.
    pub fn string(reader: *Reader, arena: std.mem.Allocator) Error![]const u8 {
        const raw = try reader.rawString();
        if (std.mem.indexOfScalar(u8, raw, '\\') == null) return raw;
        return unescape(arena, raw) catch |err| switch (err) {
            error.OutOfMemory => error.OutOfMemory,
            error.Malformed => reader.fail("a string has an escape that does not exist"),
        };
    }

    /// What is between the quotes: no control characters, valid UTF-8, escapes not looked at.
    fn rawString(reader: *Reader) Error![]const u8 {
        const start = reader.at + 1;
        var end = start;
        var high: u8 = 0;
        while (end < reader.text.len) : (end += 1) {
            const c = reader.text[end];
            high |= c;
            if (c == '"') break;
            if (c == '\\') end += 1;
            if (c < 0x20) {
                reader.at = end;
                return reader.fail("a string has a control character in it");
            }
        }
        if (end >= reader.text.len) {
            reader.at = reader.text.len;
            return reader.fail("");
        }
        const raw = reader.text[start..end];
        if (high >= 0x80 and !std.unicode.utf8ValidateSlice(raw)) return reader.fail("a string is no UTF-8");
        reader.at = end + 1;
        return raw;
    }

    /// As it stands there, by the grammar of numbers.
    pub fn number(reader: *Reader) Error![]const u8 {
        const start = reader.at;
        if (reader.byte() == '-') reader.at += 1;
        if (reader.byte() == '0') reader.at += 1 else try reader.digits();
        if (reader.byte() == '.') {
            reader.at += 1;
            try reader.digits();
        }
        if (reader.byte() == 'e' or reader.byte() == 'E') {
            reader.at += 1;
            if (reader.byte() == '+' or reader.byte() == '-') reader.at += 1;
            try reader.digits();
        }
        return reader.text[start..reader.at];
    }

    fn digits(reader: *Reader) Error!void {
        const start = reader.at;
        while (std.ascii.isDigit(reader.byte())) reader.at += 1;
        if (start == reader.at) return reader.fail("a number has no digit here");
    }

    pub fn boolean(reader: *Reader) Error!bool {
        const value = reader.byte() == 't';
        try reader.word(if (value) "true" else "false");
        return value;
    }

    pub fn nothing(reader: *Reader) Error!void {
        return reader.word("null");
    }

    fn word(reader: *Reader, expected: []const u8) Error!void {
        if (!std.mem.startsWith(u8, reader.text[reader.at..], expected)) return reader.fail("no value begins here");
        reader.at += expected.len;
    }

    /// The next value, whatever it is, checked like any other. Its text is returned.
    pub fn skip(reader: *Reader, arena: std.mem.Allocator) Error![]const u8 {
        reader.skipBlanks();
        const start = reader.at;
        var closers: [depth_max]u8 = undefined;
        var open: usize = 0;
        var is_first = false;
        while (true) {
            const kind = try reader.peek();
            switch (kind) {
                .object, .list => {
                    try reader.enter();
                    closers[open] = if (kind == .object) '}' else ']';
                    open += 1;
                    is_first = true;
                },
                .string => _ = try reader.string(arena),
                .number => _ = try reader.number(),
                .boolean => _ = try reader.boolean(),
                .null => try reader.nothing(),
            }
            while (open > 0) { // to the next value inside
                const has_more = if (closers[open - 1] == '}')
                    try reader.nextName(arena, is_first) != null
                else
                    try reader.nextItem(is_first);
                is_first = false;
                if (has_more) break;
                open -= 1;
            }
            if (open == 0) return reader.text[start..reader.at];
        }
    }

    /// The next object by its brackets alone: for text that somebody will look at more closely, or has already.
    pub fn skipUnchecked(reader: *Reader) Error![]const u8 {
        reader.skipBlanks();
        const start = reader.at;
        var open: usize = 0;
        var in_string = false;
        while (reader.at < reader.text.len) : (reader.at += 1) {
            const c = reader.text[reader.at];
            if (in_string) {
                if (c == '"') in_string = false;
                if (c == '\\') reader.at += 1;
                continue;
            }
            switch (c) {
                '"' => in_string = true,
                '{', '[' => open += 1,
                '}', ']' => {
                    open -|= 1;
                    if (open == 0) {
                        reader.at += 1;
                        return reader.text[start..reader.at];
                    }
                },
                else => {},
            }
        }
        return reader.fail("");
    }

    /// Nothing but blanks follows.
    pub fn expectEnd(reader: *Reader) Error!void {
        reader.skipBlanks();
        if (reader.at < reader.text.len) return reader.fail("something follows the end");
    }
};

fn unescape(arena: std.mem.Allocator, raw: []const u8) Error![]const u8 {
    const result = try arena.alloc(u8, raw.len); // an escape is never shorter than what it means
    var used: usize = 0;
    var at: usize = 0;
    while (at < raw.len) {
        if (raw[at] != '\\') {
            result[used] = raw[at];
            used += 1;
            at += 1;
            continue;
        }
        const escape = raw[at + 1]; // there is one: otherwise the quote would have been escaped
        at += 2;
        if (escape == 'u') {
            used += try unescapeUnicode(raw, &at, result[used..]);
            continue;
        }
        result[used] = switch (escape) {
            '"', '\\', '/' => escape,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            else => return error.Malformed,
        };
        used += 1;
    }
    return result[0..used];
}

/// After "\u": one code point, which may take a second escape (a surrogate pair).
fn unescapeUnicode(raw: []const u8, at: *usize, out: []u8) Error!usize {
    const first = try hexadecimal(raw, at);
    var point: u21 = first;
    if (first >= 0xdc00 and first <= 0xdfff) return error.Malformed;
    if (first >= 0xd800 and first <= 0xdbff) {
        if (!std.mem.startsWith(u8, raw[at.*..], "\\u")) return error.Malformed;
        at.* += 2;
        const second = try hexadecimal(raw, at);
        if (second < 0xdc00 or second > 0xdfff) return error.Malformed;
        point = 0x10000 + ((@as(u21, first) - 0xd800) << 10) + (second - 0xdc00);
    }
    return std.unicode.utf8Encode(point, out) catch error.Malformed;
}

fn hexadecimal(raw: []const u8, at: *usize) Error!u16 {
    if (raw.len - at.* < 4) return error.Malformed;
    const text = raw[at.*..][0..4];
    for (text) |c| if (!std.ascii.isHex(c)) return error.Malformed;
    at.* += 4;
    return std.fmt.parseInt(u16, text, 16) catch unreachable; // four digits
}

test "skip() takes what std.json takes" {
    const texts = [_][]const u8{
        "{}",                       "[]",          " [1, -2.5e+3, \"a\\u00e9\\n\", true, null, {\"a\":{}}] ", "\"\\ud83d\\ude00\"",
        "{\"a\":1,}",               "[,]",         "[1 2]",                                                   "01",
        "1.",                       "-",           "+1",                                                      "\"\\x\"",
        "\"\\ud83d\"",              "\"\\udc00\"", "\"\x01\"",                                                "\"\xff\"",
        "{\"a\"}",                  "{1:2}",       "tru",                                                     "nul",
        "",                         "{",           "[\"",                                                     "\"\\",
        "[1]x",                     "1e5",         "1e",                                                      "0.0",
        "[[[[[[[[[[[[]]]]]]]]]]]]", "{\"a\":[}",   "\"\\u12\"",                                               "-0",
    };
    for (texts) |text| try expectAgreement(text);
}

test "fuzz: skip() agrees with std.json about every text" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [512]u8 = undefined;
            try expectAgreement(buffer[0..smith.slice(&buffer)]);
        }
    }.one, .{ .corpus = &.{ "{\"a\":[1,\"\\u00e9\",true]}", "[[],{}]" } });
}

fn expectAgreement(text: []const u8) !void {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    var reader: Reader = .{ .text = text };
    const ours = if (reader.skip(arena)) |_| if (reader.expectEnd()) |_| true else |_| false else |_| false;
    const is_deep = std.mem.indexOf(u8, reader.reason, "deeply") != null;
    const theirs = std.json.validate(arena, text) catch false;
    if (!is_deep) try std.testing.expectEqual(theirs, ours);
    var again: Reader = .{ .text = text };
    if (ours and (again.peek() catch unreachable) == .object) {
        const raw = try again.skipUnchecked();
        try std.testing.expectEqualStrings(std.mem.trim(u8, text, " \t\r\n"), raw);
    }
}

test "nesting has a limit, on which nothing breaks" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    inline for (.{ "[", "{\"a\":" }) |opening| {
        var reader: Reader = .{ .text = opening ** 100_000 };
        try std.testing.expectError(error.Malformed, reader.skip(arena_state.allocator()));
        try std.testing.expectEqualStrings("it is nested too deeply", reader.reason);
    }
}
