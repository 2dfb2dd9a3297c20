//! `features`: what config.json may ask for, as features.md of the runtime specification has it. Every list is the
//! table that the work is done by, so it cannot promise more. What this host is able to do is not asked.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const caps = @import("../process/caps.zig");
const hooks = @import("../process/hooks.zig");
const seccomp = @import("../process/seccomp.zig");
const mount_options = @import("../rootfs/options.zig");
const config = @import("config");
const args = @import("args.zig");
const contexts = @import("context.zig");
const version = @import("version.zig");
const words = @import("words.zig");

const Options = struct {};

pub fn run(context: *const contexts.Context, arguments: []const contexts.Argument) sys.Error!u8 {
    const parsed = try args.parse(Options, context.arena, arguments, .anywhere);
    try words.none(parsed.words, "features");
    try context.printJson(.{
        .ociVersionMin = "1.0.0",
        .ociVersionMax = version.specification,
        .hooks = std.meta.fieldNames(hooks.Kind),
        .mountOptions = try sorted(context.arena, mount_options.table.keys()),
        .linux = .{
            .namespaces = std.meta.fieldNames(contract.NamespaceKind),
            .capabilities = capability_names,
            .cgroup = .{ .v1 = false, .v2 = true, .systemd = true, .systemdUser = true, .rdma = true },
            .seccomp = .{
                .enabled = true,
                .actions = try sorted(context.arena, seccomp.actions.keys()),
                .operators = try sorted(context.arena, seccomp.comparisons.keys()),
                .archs = seccomp.architecture_names,
                .knownFlags = try sorted(context.arena, seccomp.filter_flags.keys()),
                .supportedFlags = try sorted(context.arena, seccomp.filter_flags.keys()),
            },
            .apparmor = .{ .enabled = true },
            .selinux = .{ .enabled = true },
            .intelRdt = .{ .enabled = false },
            .mountExtensions = .{ .idmap = .{ .enabled = true } },
            .netDevices = .{ .enabled = false },
        },
        .annotations = .{ .@"org.tspod.version" = config.version },
    });
    return 0;
}

const capability_names = names: {
    var list: [caps.names.len][]const u8 = undefined;
    for (caps.names, &list) |name, *full| full.* = "CAP_" ++ name;
    break :names list;
};

fn sorted(arena: std.mem.Allocator, names: []const []const u8) sys.Error![]const []const u8 {
    const copy = arena.dupe([]const u8, names) catch return contexts.outOfMemory();
    std.mem.sort([]const u8, copy, {}, struct {
        fn isBefore(_: void, a: []const u8, b: []const u8) bool {
            return std.mem.lessThan(u8, a, b);
        }
    }.isBefore);
    return copy;
}
