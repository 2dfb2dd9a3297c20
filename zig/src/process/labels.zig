//! AppArmor profiles and SELinux contexts: what the program will be confined by, told to the kernel just before
//! execve(2), through the runtime's own /proc, whose file is opened while that is what "/proc" means.
const std = @import("std");
const sys = @import("../sys.zig");
const contract = @import("../contract.zig");
const procfs = @import("../procfs.zig");
const linux = sys.linux;

const selinux_magic = 0xf97cff8c;
const label_bytes_max = 4096;

pub const Plan = struct {
    apparmor: ?[:0]const u8 = null,
    selinux: ?[:0]const u8 = null,

    pub fn isEmpty(plan: *const Plan) bool {
        return plan.apparmor == null and plan.selinux == null;
    }
};

pub fn prepare(process: *const contract.Process) sys.Error!Plan {
    var plan: Plan = .{ .apparmor = process.apparmorProfile, .selinux = process.selinuxLabel };
    for ([_]*?[:0]const u8{ &plan.apparmor, &plan.selinux }) |label| {
        const text = label.* orelse continue;
        if (text.len == 0) label.* = null; // as the field writes "none"
        if (text.len > label_bytes_max) return sys.failFormat("label", "a label of {d} bytes is too long", .{text.len});
    }
    return plan;
}

/// Whether the host has what is asked for, whoever asks.
pub fn expectSelinux(what: []const u8) sys.Error!void {
    const rc = linux.open("/sys/fs/selinux", .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .SUCCESS) {
        defer _ = linux.close(@intCast(rc));
        if (sys.fileSystemType(@intCast(rc)) == selinux_magic) return;
    }
    return sys.failFormat("label", "{s} cannot be set: this host has no SELinux", .{what});
}

fn expectAppArmor() sys.Error!void {
    const rc = linux.open("/sys/module/apparmor/parameters/enabled", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) == .SUCCESS) {
        defer _ = linux.close(@intCast(rc));
        var answer: [1]u8 = undefined;
        if (linux.read(@intCast(rc), &answer, 1) == 1 and answer[0] == 'Y') return;
    }
    return sys.fail("label", "process.apparmorProfile cannot be set: this host has no AppArmor");
}

/// Where the labels will be written, by a descriptor that means this very process and nobody else.
pub const Opened = struct { apparmor: ?linux.fd_t = null, selinux: ?linux.fd_t = null };

/// Called by the process that will become the program, or by one whose descriptors it inherits together with `proc`.
pub fn open(plan: *const Plan) sys.Error!Opened {
    var opened: Opened = .{};
    if (plan.apparmor != null) {
        try expectAppArmor();
        const own = procfs.open("self/attr/apparmor/exec", .{ .ACCMODE = .WRONLY }); // Linux 5.8
        const rc = if (linux.errno(own) == .NOENT) procfs.open("self/attr/exec", .{ .ACCMODE = .WRONLY }) else own;
        opened.apparmor = try sys.checkFd("label", "self/attr/exec", rc);
    }
    if (plan.selinux != null) {
        try expectSelinux("process.selinuxLabel");
        opened.selinux = try sys.checkFd("label", "self/attr/exec", procfs.open("self/attr/exec", .{ .ACCMODE = .WRONLY }));
    }
    return opened;
}

/// The program that is executed next will have them.
pub fn write(plan: *const Plan, opened: Opened) sys.Error!void {
    if (opened.apparmor) |fd| {
        var buffer: [label_bytes_max + 8]u8 = undefined;
        const text = std.fmt.bufPrint(&buffer, "exec {s}", .{plan.apparmor.?}) catch unreachable; // its length was checked
        try writeOne(fd, plan.apparmor.?, text);
    }
    if (opened.selinux) |fd| try writeOne(fd, plan.selinux.?, plan.selinux.?);
}

fn writeOne(fd: linux.fd_t, label: []const u8, text: []const u8) sys.Error!void {
    if (!procfs.isProc(fd)) return sys.fail("label", "/proc is not what it should be: no proc is mounted there");
    const rc = linux.write(fd, text.ptr, text.len);
    if (linux.errno(rc) == .NOENT) return sys.failFormat("label", "no profile \"{s}\" is loaded on this host", .{label});
    if (linux.errno(rc) == .INVAL) return sys.failFormat("label", "the host's policy has no \"{s}\"", .{label});
    _ = try sys.check("label", label, rc);
}

test "prepare(): an empty label is none" {
    const plan = try prepare(&.{ .cwd = "/", .args = &.{"x"}, .apparmorProfile = "", .selinuxLabel = "a:b:c" });
    try std.testing.expect(plan.apparmor == null);
    try std.testing.expectEqualStrings("a:b:c", plan.selinux.?);
    try std.testing.expectError(error.Syscall, prepare(&.{ .cwd = "/", .args = &.{"x"}, .selinuxLabel = "x" ** (label_bytes_max + 1) }));
}
