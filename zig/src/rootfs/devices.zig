//! /dev: the default devices, config.json's own, the symlinks that programs expect, and the console.
//! A user namespace cannot make device nodes, so the host's are bind-mounted; nothing else of the host's /dev shows.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const path = @import("path.zig");
const linux = sys.linux;

/// runtime-spec, "Default Devices"; /dev/console and /dev/ptmx are made from the container's devpts.
const default_devices = [_][:0]const u8{
    "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty",
};

const links = [_][2][:0]const u8{
    .{ "/proc/self/fd", "fd" },
    .{ "/proc/self/fd/0", "stdin" },
    .{ "/proc/self/fd/1", "stdout" },
    .{ "/proc/self/fd/2", "stderr" },
    .{ "/proc/kcore", "core" },
};

pub fn populate(root: linux.fd_t, extra: []const contract.Device, has_devpts: bool) sys.Error!void {
    for (default_devices) |device| try bindDevice(root, device);
    for (extra) |device| try bindDevice(root, device.path);

    const dev = try sys.checkFd("openat2", "/dev", path.find(root, "/dev"));
    defer _ = linux.close(dev);
    for (links) |link| try symlink(link[0], dev, link[1]);
    if (has_devpts) {
        // The multiplexer of the container's own devpts: an image's leftover node would be the wrong one.
        _ = linux.unlinkat(dev, "ptmx", 0);
        try symlink("pts/ptmx", dev, "ptmx");
    }
}

fn symlink(target: [:0]const u8, dev: linux.fd_t, name: [:0]const u8) sys.Error!void {
    const rc = linux.symlinkat(target, dev, name);
    if (linux.errno(rc) != .EXIST) _ = try sys.check("symlinkat", name, rc);
}

/// The same device at the same path. One that is there already (a bind mount of the host's /dev) is left alone.
fn bindDevice(root: linux.fd_t, name: [:0]const u8) sys.Error!void {
    const device = try sys.checkFd("open_tree", name, sys.cloneTree(linux.AT.FDCWD, name, 0));
    defer _ = linux.close(device);
    const target = try path.ensureFile(root, name);
    defer _ = linux.close(target.fd);
    var want: linux.Statx = undefined;
    var have: linux.Statx = undefined;
    _ = try sys.check("statx", name, sys.statFd(device, &want));
    _ = try sys.check("statx", name, sys.statFd(target.fd, &have));
    const is_same = have.ino == want.ino and have.dev_major == want.dev_major and have.dev_minor == want.dev_minor;
    if (!is_same) _ = try sys.check("mount", name, sys.moveMount(device, target.fd));
}

/// The terminal `slave` as /dev/console.
pub fn bindConsole(root: linux.fd_t, slave: linux.fd_t) sys.Error!void {
    const tree = try sys.checkFd("open_tree", "/dev/console", sys.cloneTree(slave, "", sys.at_empty_path));
    defer _ = linux.close(tree);
    const target = try path.ensureFile(root, "/dev/console");
    defer _ = linux.close(target.fd);
    _ = try sys.check("mount", "/dev/console", sys.moveMount(tree, target.fd));
}
