//! `--init` under another runtime: our own executable as a file that is bound, read-only, into the container.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const child = @import("../process/child.zig");
const init = @import("../process/init.zig");
const ourselves = @import("../process/ourselves.zig");
const linux = sys.linux;

const Error = sys.Error || error{OutOfMemory};

/// A path of it that every user of the container may execute: the file itself, or a copy in `place`. Where the other
/// runtime is ours as well it has to be a copy, because it does not execute its own file (lookup.refuseOurselves).
pub fn fileOf(
    arena: std.mem.Allocator,
    own: *const child.Plan,
    place: [:0]const u8,
    runtime: *const contract.Runtime,
) Error![]const u8 {
    const is_ours = std.mem.eql(u8, runtime.name, "tspod-oci");
    const rc = linux.open(own.own_path, .{ .PATH = true, .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .SUCCESS) {
        defer _ = linux.close(@intCast(rc));
        if (!is_ours and init.isExecutableByAll(@intCast(rc), own.program.ourselves)) return own.own_path;
    }
    const copy = try std.fs.path.joinZ(arena, &.{ place, "init" });
    const flags: linux.O = .{ .ACCMODE = .WRONLY, .CREAT = true, .TRUNC = true, .CLOEXEC = true };
    const to = try sys.checkFd("open", copy, linux.open(copy, flags, 0o755));
    defer _ = linux.close(to);
    try ourselves.copyTo(to);
    return copy;
}
