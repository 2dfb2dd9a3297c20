//! `native probe [--overlay DIR | --data DIR]`: what this host allows, found out by trying; one JSON line on standard output.
const std = @import("std");
const sys = @import("sys.zig");
const userns = @import("userns.zig");
const overlay = @import("rootfs/overlay.zig");
const removal = @import("monitor/remove.zig");
const linux = sys.linux;

/// Settings that forbid user namespaces to ordinary users, and the value that does.
const knobs = [_]struct { name: []const u8, path: [:0]const u8, forbids: u8 }{
    .{ .name = "kernel.unprivileged_userns_clone", .path = "/proc/sys/kernel/unprivileged_userns_clone", .forbids = '0' },
    .{ .name = "user.max_user_namespaces", .path = "/proc/sys/user/max_user_namespaces", .forbids = '0' },
    .{
        .name = "kernel.apparmor_restrict_unprivileged_userns",
        .path = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        .forbids = '1',
    },
};

const Answer = struct {
    kernel: []const u8,
    userNamespaces: bool,
    /// The setting that forbids them, when one is known to.
    forbiddenBy: ?[]const u8,
    /// Native overlayfs works in `--overlay`'s directory; false without one.
    overlay: bool,
    /// There, too, a layer's files may have their content in another; false without `--data`.
    overlayData: bool,
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    const option = if (args.len == 2) std.mem.span(args[0]) else "";
    const wants_overlay = std.mem.eql(u8, option, "--overlay");
    const wants_data = std.mem.eql(u8, option, "--data");
    if (args.len != 0 and !wants_overlay and !wants_data) {
        sys.writeAll(2, "usage: native probe [--overlay DIR | --data DIR]\n") catch {};
        return 125;
    }
    var uts: linux.utsname = undefined;
    _ = linux.uname(&uts);
    const can_create = tryNamespaces();
    const answer: Answer = .{
        .kernel = std.mem.sliceTo(&uts.release, 0),
        .userNamespaces = can_create,
        .forbiddenBy = if (can_create) null else forbidder(),
        .overlay = wants_overlay and can_create and tryOverlay(std.mem.span(args[1]), mountOverlay),
        .overlayData = wants_data and can_create and tryOverlay(std.mem.span(args[1]), readData),
    };
    var buffer: [512]u8 = undefined;
    var w: std.Io.Writer = .fixed(&buffer);
    std.json.Stringify.value(answer, .{}, &w) catch return 125;
    w.writeByte('\n') catch return 125;
    sys.writeAll(1, w.buffered()) catch return 125;
    return 0;
}

/// A name space, a mapped id, and the right to mount in it: AppArmor on Ubuntu 24.04 gives the first, not the last.
fn tryNamespaces() bool {
    return inNamespace({}, struct {
        fn work(_: void) u8 {
            return @intFromBool(linux.errno(linux.mount(null, "/", null, linux.MS.REC | linux.MS.PRIVATE, 0)) != .SUCCESS);
        }
    }.work);
}

fn inNamespace(context: anytype, comptime work: fn (@TypeOf(context)) u8) bool {
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    defer arena_state.deinit();
    const plan = userns.Plan.prepare(arena_state.allocator(), .{
        .uid = &.{.{ .containerID = 0, .hostID = linux.geteuid(), .size = 1 }},
        .gid = &.{.{ .containerID = 0, .hostID = linux.getegid(), .size = 1 }},
    }) catch return false;
    const status = userns.runInside(&plan, linux.CLONE.NEWNS, context, work) catch return false;
    return status == 0;
}

fn forbidder() ?[]const u8 {
    for (knobs) |knob| {
        const rc = linux.open(knob.path, .{ .CLOEXEC = true }, 0);
        if (linux.errno(rc) != .SUCCESS) continue;
        defer _ = linux.close(@intCast(rc));
        var text: [16]u8 = undefined;
        const n = linux.read(@intCast(rc), &text, text.len);
        if (linux.errno(n) != .SUCCESS) continue;
        const value = std.mem.trim(u8, text[0..n], " \n");
        if (value.len == 1 and value[0] == knob.forbids) return knob.name;
    }
    return null;
}

/// In a directory of its own, which is deleted afterwards.
fn tryOverlay(parent: [:0]const u8, comptime work: fn ([:0]const u8) u8) bool {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const top = std.fmt.bufPrintZ(&buffer, "{s}/.probe-{d}", .{ parent, linux.getpid() }) catch return false;
    if (linux.errno(linux.mkdir(top, 0o700)) != .SUCCESS) return false;
    const works = inNamespace(top, work);
    return removal.deleteTree(top) and works;
}

fn mountOverlay(top: [:0]const u8) u8 {
    if (linux.errno(linux.mount(null, "/", null, linux.MS.REC | linux.MS.PRIVATE, 0)) != .SUCCESS) return 1;
    if (linux.errno(linux.chdir(top)) != .SUCCESS) return 1;
    for ([_][:0]const u8{ "lower", "upper", "work", "merged" }) |name| {
        if (linux.errno(linux.mkdir(name, 0o755)) != .SUCCESS) return 1;
    }
    overlay.mount("merged", .{ .kind = .overlay, .lower = &.{"lower"}, .upper = "upper", .work = "work" }, false) catch
        return 1;
    // Writing is what a missing userxattr or a strange file system would break.
    const rc = linux.open("merged/file", .{ .ACCMODE = .WRONLY, .CREAT = true, .CLOEXEC = true }, 0o644);
    return @intFromBool(linux.errno(rc) != .SUCCESS);
}

/// A file whose content lies in a data-only layer, read through a mount: Linux 6.16 allows it in a user namespace.
fn readData(top: [:0]const u8) u8 {
    if (linux.errno(linux.mount(null, "/", null, linux.MS.REC | linux.MS.PRIVATE, 0)) != .SUCCESS) return 1;
    if (linux.errno(linux.chdir(top)) != .SUCCESS) return 1;
    for ([_][:0]const u8{ "lower", "upper", "work", "merged", "data" }) |name| {
        if (linux.errno(linux.mkdir(name, 0o755)) != .SUCCESS) return 1;
    }
    if (!write("data/file", "x") or !write("lower/file", "y")) return 1;
    if (linux.errno(linux.setxattr("lower/file", "user.overlay.redirect", "/file", 5, 0)) != .SUCCESS) return 1;
    if (linux.errno(linux.setxattr("lower/file", "user.overlay.metacopy", "", 0, 0)) != .SUCCESS) return 1;
    const rootfs: @import("contract.zig").Rootfs = .{
        .kind = .overlay,
        .lower = &.{"lower"},
        .upper = "upper",
        .work = "work",
        .data = &.{"data"},
    };
    overlay.mount("merged", rootfs, false) catch return 1;
    var byte: [1]u8 = .{0};
    const rc = linux.open("merged/file", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return 1;
    defer _ = linux.close(@intCast(rc));
    return @intFromBool(linux.read(@intCast(rc), &byte, 1) != 1 or byte[0] != 'x');
}

fn write(path: [:0]const u8, text: []const u8) bool {
    const rc = linux.open(path, .{ .ACCMODE = .WRONLY, .CREAT = true, .CLOEXEC = true }, 0o644);
    if (linux.errno(rc) != .SUCCESS) return false;
    defer _ = linux.close(@intCast(rc));
    sys.writeAll(@intCast(rc), text) catch return false;
    return true;
}
