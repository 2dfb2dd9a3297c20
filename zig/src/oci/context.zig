//! What every verb works with: memory, the environment, where containers are recorded, and where results go.
const std = @import("std");
const sys = @import("../sys.zig");
const args = @import("args.zig");
const failures = @import("failure.zig");
const linux = sys.linux;

pub const Text = args.Text;
pub const Argument = args.Argument;
pub const Environment = [*:null]const ?[*:0]const u8;

pub const CgroupManager = @import("../cgroup/cgroup.zig").Manager;

pub const Context = struct {
    /// Never given back: every verb is one process.
    arena: std.mem.Allocator,
    environ: Environment,
    /// The directory of all containers, absolute.
    root: Text,
    cgroup_manager: CgroupManager,
    /// Where warnings go.
    log: *const failures.Log,

    pub fn variable(context: *const Context, name: []const u8) ?Text {
        return find(context.environ, name);
    }

    /// Where compiled seccomp filters are kept: beside the containers, under a name that none of them has.
    pub fn seccompCache(context: *const Context) sys.Error!Text {
        return std.fs.path.joinZ(context.arena, &.{ context.root, ".seccomp" }) catch outOfMemory();
    }

    /// A result, on standard output.
    pub fn print(context: *const Context, comptime text: []const u8, values: anytype) sys.Error!void {
        const bytes = std.fmt.allocPrint(context.arena, text, values) catch return outOfMemory();
        return sys.writeAll(1, bytes);
    }

    /// The same as indented JSON.
    pub fn printJson(context: *const Context, value: anytype) sys.Error!void {
        var buffer: std.Io.Writer.Allocating = .init(context.arena);
        const options: std.json.Stringify.Options = .{ .whitespace = .indent_2, .emit_null_optional_fields = false };
        std.json.Stringify.value(value, options, &buffer.writer) catch return outOfMemory();
        buffer.writer.writeByte('\n') catch return outOfMemory();
        return sys.writeAll(1, buffer.written());
    }
};

pub fn outOfMemory() sys.Error {
    return sys.fail("memory", "out of memory");
}

/// What `path` means here and now, for use after the working directory has changed.
pub fn absolute(arena: std.mem.Allocator, path: Text) sys.Error!Text {
    if (path.len > 0 and path[0] == '/') return path;
    return std.fs.path.joinZ(arena, &.{ try workingDirectory(arena), path }) catch outOfMemory();
}

pub fn workingDirectory(arena: std.mem.Allocator) sys.Error!Text {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const length = try sys.check("getcwd", "", linux.getcwd(&buffer, buffer.len));
    return arena.dupeZ(u8, buffer[0 .. length - 1]) catch outOfMemory();
}

/// The value of a variable; null when it is not set or empty.
pub fn find(environ: Environment, name: []const u8) ?Text {
    var i: usize = 0;
    while (environ[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        if (text.len <= name.len + 1 or text[name.len] != '=') continue;
        if (std.mem.startsWith(u8, text, name)) return text[name.len + 1 ..];
    }
    return null;
}
