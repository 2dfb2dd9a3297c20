//! Where containers are recorded when nobody says: `$XDG_RUNTIME_DIR/tspod-oci` of an ordinary user, also of one who
//! seems to be root in a user namespace (as under rootless podman); `/run/tspod-oci` of root.
const std = @import("std");
const sys = @import("../sys.zig");
const contexts = @import("context.zig");
const linux = sys.linux;

const Text = contexts.Text;
const name = "tspod-oci";

pub fn choose(arena: std.mem.Allocator, environ: contexts.Environment, chosen: ?Text) sys.Error!Text {
    if (chosen) |path| {
        if (path.len == 0) return sys.fail("usage", "--root is empty");
        return contexts.absolute(arena, path);
    }
    const runtime_dir = contexts.find(environ, "XDG_RUNTIME_DIR");
    if (linux.geteuid() == 0 and (runtime_dir == null or !isInUserNamespace())) return "/run/" ++ name;
    const directory = runtime_dir orelse return sys.fail("usage", "XDG_RUNTIME_DIR is not set: set it, or give --root");
    if (directory[0] != '/') return sys.fail("usage", "XDG_RUNTIME_DIR is not absolute: correct it, or give --root");
    return join(arena, directory, name);
}

fn join(arena: std.mem.Allocator, directory: []const u8, file: []const u8) sys.Error!Text {
    return std.fs.path.joinZ(arena, &.{ directory, file }) catch contexts.outOfMemory();
}

/// The first user namespace maps every id to itself.
fn isInUserNamespace() bool {
    const rc = linux.open("/proc/self/uid_map", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    defer _ = linux.close(@intCast(rc));
    var buffer: [64]u8 = undefined;
    const n = linux.read(@intCast(rc), &buffer, buffer.len);
    if (linux.errno(n) != .SUCCESS) return false;
    var numbers = std.mem.tokenizeAny(u8, buffer[0..n], " \n");
    const expected = [_][]const u8{ "0", "0", "4294967295" };
    for (expected) |text| if (!std.mem.eql(u8, numbers.next() orelse "", text)) return true;
    return false;
}
