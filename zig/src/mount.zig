//! `native mount [--upper DIR --work DIR] [--data DIR]... DIR LOWER...`: the layers (topmost first) at DIR, in the caller's
//! mount namespace: for reading, or over them a container's own, which takes what is written.
//! `native unmount DIR`: what is there is taken away, as soon as nobody uses it.
//!
//! For `image mount` and `container mount` inside of `unshare`: the caller has the right to mount already.
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
    var data: [overlay.layers_max][:0]const u8 = undefined;
    var data_count: usize = 0;
    var rootfs: contract.Rootfs = .{ .kind = .overlay };
    var rest = args;
    while (rest.len > 1) : (rest = rest[2..]) {
        const word = std.mem.span(rest[0]);
        const directory = std.mem.span(rest[1]);
        if (std.mem.eql(u8, word, "--upper")) {
            rootfs.upper = directory;
        } else if (std.mem.eql(u8, word, "--work")) {
            rootfs.work = directory;
        } else if (std.mem.eql(u8, word, "--data") and data_count < data.len) {
            data[data_count] = directory;
            data_count += 1;
        } else break;
    }
    if (rest.len < 2 or rest.len - 1 > lower.len) return sys.fail("usage", "a directory and its layers");
    const target = std.mem.span(rest[0]);
    for (rest[1..], 0..) |argument, i| lower[i] = std.mem.span(argument);
    rootfs.lower = lower[0 .. rest.len - 1];
    rootfs.data = data[0..data_count];
    if (rootfs.lower.len == 1 and rootfs.upper.len == 0) return bind(rootfs.lower[0], target);
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
