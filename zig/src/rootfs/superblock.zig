//! New file systems, detached (fsopen(2), fsconfig(2), fsmount(2), Linux 5.2): made with all their flags before
//! anybody can see them. Where they go is somebody else's business.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// One `key=value` (or bare flag) for the file system.
pub const Parameter = struct { key: [:0]const u8, value: ?[:0]const u8 };

pub fn parse(arena: std.mem.Allocator, data: []const [:0]const u8) error{OutOfMemory}![]const Parameter {
    const parameters = try arena.alloc(Parameter, data.len);
    for (data, parameters) |text, *parameter| {
        const equals = std.mem.indexOfScalar(u8, text, '=');
        parameter.* = if (equals) |i|
            .{ .key = try arena.dupeZ(u8, text[0..i]), .value = text[i + 1 ..] }
        else
            .{ .key = text, .value = null };
    }
    return parameters;
}

pub fn has(parameters: []const Parameter, key: []const u8) bool {
    for (parameters) |parameter| if (std.mem.eql(u8, parameter.key, key)) return true;
    return false;
}

pub const New = struct {
    type: [:0]const u8,
    /// What /proc/mounts shows, and for file systems that lie on one: the device.
    source: [:0]const u8,
    /// `extra` before `parameters`.
    extra: []const Parameter = &.{},
    parameters: []const Parameter = &.{},
    /// MOUNT_ATTR_*.
    flags: u32 = 0,
    /// Where it will be, for the error.
    detail: []const u8,
};

pub fn make(new: New) sys.Error!linux.fd_t {
    const fs = try sys.checkFd("mount", new.detail, linux.fsopen(new.type, .{ .CLOEXEC = true }));
    defer _ = linux.close(fs);
    _ = linux.fsconfig(fs, .SET_STRING, "source", new.source, 0);
    for ([_][]const Parameter{ new.extra, new.parameters }) |list| {
        for (list) |parameter| try configure(fs, parameter, new.detail);
    }
    _ = try sys.check("mount", new.detail, linux.fsconfig(fs, .CREATE, null, null, 0));
    return sys.checkFd("mount", new.detail, linux.fsmount(fs, .{ .CLOEXEC = true }, @bitCast(new.flags)));
}

/// Other parameters for the file system that is mounted at `target`.
pub fn reconfigure(target: linux.fd_t, parameters: []const Parameter, detail: []const u8) sys.Error!void {
    const fspick_cloexec = 0x01;
    const fspick_empty_path = 0x08;
    const signed: usize = @bitCast(@as(isize, target));
    const rc = linux.syscall3(.fspick, signed, @intFromPtr(""), fspick_cloexec | fspick_empty_path);
    const fs = try sys.checkFd("remount", detail, rc);
    defer _ = linux.close(fs);
    for (parameters) |parameter| try configure(fs, parameter, detail);
    _ = try sys.check("remount", detail, linux.fsconfig(fs, .RECONFIGURE, null, null, 0));
}

pub fn configure(fs: linux.fd_t, parameter: Parameter, detail: []const u8) sys.Error!void {
    const rc = if (parameter.value) |value|
        linux.fsconfig(fs, .SET_STRING, parameter.key, value, 0)
    else
        linux.fsconfig(fs, .SET_FLAG, parameter.key, null, 0);
    _ = try sys.check("mount", detail, rc);
}
