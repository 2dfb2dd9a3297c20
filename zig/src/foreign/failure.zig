//! What a runtime says when it fails, as one failure of ours: its last error in the log (JSON lines as runc writes them),
//! told apart where the exit code depends on it: the program is not there, or cannot be executed.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// Remember it. `program` is the first word of the container's command line, `log` what the runtime wrote.
pub fn remember(
    arena: std.mem.Allocator,
    runtime: []const u8,
    program: [:0]const u8,
    log: []const u8,
    status: u32,
) sys.Error {
    const message = lastMessage(arena, log) orelse {
        return sys.failFormat("runtime", "{s} failed with status {d} and without a word", .{ runtime, status });
    };
    const meaning = classify(message, program) orelse return sys.failFormat("runtime", "{s}: {s}", .{ runtime, message });
    sys.failure = .{ .call = meaning.call, .detail = program, .errno = meaning.errno };
    return error.Syscall;
}

const Line = struct { msg: []const u8, level: []const u8 = "error" };

/// Lines that are no JSON are messages as well: a runtime may know no `--log-format`.
fn lastMessage(arena: std.mem.Allocator, log: []const u8) ?[]const u8 {
    var last: ?[]const u8 = null;
    var lines = std.mem.tokenizeScalar(u8, log, '\n');
    while (lines.next()) |text| {
        const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
        const line = std.json.parseFromSliceLeaky(Line, arena, text, options) catch Line{ .msg = text };
        const is_error = std.mem.eql(u8, line.level, "error") or std.mem.eql(u8, line.level, "fatal");
        if (is_error or last == null) last = line.msg;
    }
    return last;
}

const Meaning = struct { call: []const u8, errno: linux.E };

/// Null: it is not about the program.
fn classify(message: []const u8, program: []const u8) ?Meaning {
    const about_program = has(message, "executable") or has(message, "exec: ") or has(message, "exec container process") or
        has(message, "executing");
    if (!about_program) return null;
    if (has(message, "not found")) return .{ .call = "lookup", .errno = .NOENT };
    if (has(message, "no such file or directory")) {
        // "stat NAME": it was looked for and is not there; otherwise execve said so, of it or of its interpreter.
        const is_missing = has(message, "stat ") and has(message, program);
        return .{ .call = if (is_missing) "lookup" else "execve", .errno = .NOENT };
    }
    if (has(message, "is a directory")) return .{ .call = "execve", .errno = .ISDIR };
    if (has(message, "permission denied")) return .{ .call = "execve", .errno = .ACCES };
    if (has(message, "operation not permitted")) return .{ .call = "execve", .errno = .ACCES };
    if (has(message, "exec format error")) return .{ .call = "execve", .errno = .NOEXEC };
    return null;
}

fn has(text: []const u8, part: []const u8) bool {
    return std.ascii.indexOfIgnoreCase(text, part) != null;
}

test "classify() knows what crun 1.8 and runc 1.1 say of a program" {
    const Case = struct { []const u8, []const u8, ?[]const u8, linux.E };
    const cases = [_]Case{
        .{ "executable file `nope` not found in $PATH: No such file or directory", "nope", "lookup", .NOENT },
        .{ "runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH", "nope", "lookup", .NOENT },
        .{ "runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory", "/nope", "lookup", .NOENT },
        .{ "open executable: Permission denied", "/bin/plain", "execve", .ACCES },
        .{ "open executable: Operation not permitted", "/dir", "execve", .ACCES },
        .{ "exec failed: unable to start container process: exec: \"/bin/plain\": permission denied", "/bin/plain", "execve", .ACCES },
        .{ "exec: No such file or directory", "/bin/script", "execve", .NOENT },
        .{ "exec container process `/bin/garbage`: Exec format error", "/bin/garbage", "execve", .NOEXEC },
        .{ "chdir `/zz`: No such file or directory", "sh", null, .SUCCESS },
        .{ "mount `/src` to `/dst`: Permission denied", "sh", null, .SUCCESS },
    };
    for (cases) |case| {
        const meaning = classify(case[0], case[1]);
        if (case[2]) |call| {
            try std.testing.expectEqualStrings(call, meaning.?.call);
            try std.testing.expectEqual(case[3], meaning.?.errno);
        } else try std.testing.expect(meaning == null);
    }
}

test "lastMessage() prefers the last error" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const log =
        \\{"level":"warning","msg":"w","time":"t"}
        \\{"msg":"a \"quoted\" word","level":"error","time":"t"}
        \\{"level":"debug","msg":"d"}
        \\
    ;
    try std.testing.expectEqualStrings("a \"quoted\" word", lastMessage(arena, log).?);
    try std.testing.expectEqualStrings("plain", lastMessage(arena, "plain\n").?);
    try std.testing.expect(lastMessage(arena, "") == null);
}

test "fuzz: no log crashes remember()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [2048]u8 = undefined;
            var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
            defer arena_state.deinit();
            remember(arena_state.allocator(), "r", "sh", buffer[0..smith.slice(&buffer)], 1) catch {};
        }
    }.one, .{ .corpus = &.{"{\"level\":\"error\",\"msg\":\"exec: x\"}\n"} });
}
