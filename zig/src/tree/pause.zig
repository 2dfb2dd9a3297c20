//! `native files pause --path CGROUP`: its processes stand still until our standard input ends, which it also does when
//! whoever started us is killed.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const cgroups = @import("../cgroup/cgroup.zig");
const report = @import("report.zig");
const words = @import("words.zig");
const linux = sys.linux;

pub fn run(_: std.mem.Allocator, options: *const words.Options) u8 {
    // ^C in a terminal is for whoever started us, who then goes
    _ = linux.setsid();
    const group = cgroups.open(options.path) catch |err| return layer.reply.refused("", err);
    group.freeze() catch |err| {
        group.thaw() catch {};
        return layer.reply.refused("", err);
    };
    _ = report.line("{{\"ok\":true}}\n", .{});
    var byte: [1]u8 = undefined;
    while (true) {
        const rc = linux.read(0, &byte, 1);
        if (linux.errno(rc) == .INTR) continue;
        if (linux.errno(rc) != .SUCCESS or rc == 0) break;
    }
    group.thaw() catch return 1;
    return 0;
}
