//! `native mount DIR LOWER...`: the layers (topmost first) at DIR, for reading, in the caller's mount namespace.
//! `native unmount DIR`: what is there is taken away, as soon as nobody uses it.
//!
//! For `image mount` inside of `unshare`: the caller has the right to mount already.
const std = @import("std");
const contract = @import("contract.zig");
const overlay = @import("rootfs/overlay.zig");
const reply = @import("layer/reply.zig");
const sys = @import("sys.zig");
const linux = sys.linux;

const Argument = [*:0]const u8;
const Environment = [*:null]const ?[*:0]const u8;

pub fn run(args: []const Argument, _: Environment) u8 {
    mount(args) catch |err| return reply.refused("", err);
    return reply.done(.{});
}

pub fn runUnmount(args: []const Argument, _: Environment) u8 {
    unmount(args) catch |err| return reply.refused("", err);
    return reply.done(.{});
}

fn mount(args: []const Argument) sys.Error!void {
    var lower: [overlay.layers_max][:0]const u8 = undefined;
    if (args.len < 2 or args.len - 1 > lower.len) return sys.fail("usage", "a directory and its layers");
    const target = std.mem.span(args[0]);
    for (args[1..], 0..) |argument, i| lower[i] = std.mem.span(argument);
    const layers = lower[0 .. args.len - 1];
    if (layers.len == 1) return bind(layers[0], target);
    const rootfs: contract.Rootfs = .{ .kind = .overlay, .lower = layers };
    try overlay.mount(target, rootfs, false);
}

/// overlayfs wants two layers where nothing is to be written.
fn bind(layer: [:0]const u8, target: [:0]const u8) sys.Error!void {
    const tree = try sys.checkFd("open_tree", layer, sys.cloneTree(linux.AT.FDCWD, layer, 0));
    defer _ = linux.close(tree);
    const place_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };
    const place = try sys.checkFd("open", target, linux.open(target, place_flags, 0));
    defer _ = linux.close(place);
    _ = try sys.check("mount", target, sys.changeMount(tree, sys.at_empty_path, &.{ .set = sys.attr.rdonly }));
    _ = try sys.check("mount", target, sys.moveMount(tree, place));
}

fn unmount(args: []const Argument) sys.Error!void {
    if (args.len != 1) return sys.fail("usage", "one directory");
    const umount_nofollow = 8;
    const flags = linux.MNT.DETACH | umount_nofollow;
    _ = try sys.check("umount2", std.mem.span(args[0]), linux.umount2(args[0], flags));
}
