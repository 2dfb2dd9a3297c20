//! Which file a command name means inside the container, and whether that file may be executed by us at all.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// What programs get when their environment has no PATH.
const default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

var buffer: [linux.PATH_MAX]u8 = undefined;

/// The path to execute, in a static buffer or `name` itself. Failure "lookup": there is no such file; "execve": there
/// is one, but it is not executable. A name with a slash is a path and is not searched for (execvp(3)).
pub fn find(name: [:0]const u8, path_variable: ?[]const u8) sys.Error![:0]const u8 {
    if (name.len == 0) return sys.fail("lookup", "the command is empty");
    if (std.mem.indexOfScalar(u8, name, '/') != null) {
        _ = try sys.check("lookup", name, linux.faccessat(linux.AT.FDCWD, name, linux.F_OK, 0));
        if (judge(name) == .executable) return name;
        sys.failure = .{ .call = "execve", .detail = name, .errno = .ACCES };
        return error.Syscall;
    }
    var is_forbidden = false;
    var directories = std.mem.splitScalar(u8, path_variable orelse default_path, ':');
    while (directories.next()) |directory| {
        const candidate = std.fmt.bufPrintZ(&buffer, "{s}/{s}", .{
            if (directory.len == 0) "." else directory, name,
        }) catch continue; // longer than any path can be
        switch (judge(candidate)) {
            .missing => {},
            .executable => return candidate,
            .forbidden => is_forbidden = true,
        }
    }
    const e: linux.E = if (is_forbidden) .ACCES else .NOENT;
    sys.failure = .{ .call = if (is_forbidden) "execve" else "lookup", .detail = name, .errno = e };
    return error.Syscall;
}

const Verdict = enum { missing, executable, forbidden };

fn judge(path: [:0]const u8) Verdict {
    var stat: linux.Statx = undefined;
    const rc = linux.statx(linux.AT.FDCWD, path, 0, linux.STATX.BASIC_STATS, &stat);
    if (linux.errno(rc) == .ACCES) return .forbidden;
    if (linux.errno(rc) != .SUCCESS) return .missing;
    if (!linux.S.ISREG(stat.mode)) return .missing;
    return if (linux.errno(linux.faccessat(linux.AT.FDCWD, path, linux.X_OK, 0)) == .SUCCESS) .executable else .forbidden;
}

/// A file, whatever its name.
pub const Identity = struct {
    dev_major: u32,
    dev_minor: u32,
    ino: u64,

    pub fn of(path: [:0]const u8) ?Identity {
        var stat: linux.Statx = undefined;
        const rc = linux.statx(linux.AT.FDCWD, path, 0, linux.STATX.BASIC_STATS, &stat);
        if (linux.errno(rc) != .SUCCESS) return null;
        return from(&stat);
    }

    pub fn from(stat: *const linux.Statx) Identity {
        return .{ .dev_major = stat.dev_major, .dev_minor = stat.dev_minor, .ino = stat.ino };
    }
};

/// A script may name a script (the kernel follows five).
const interpreters_max = 6;

/// Refuse a program that is, or is interpreted by, our own executable: as /proc/self/exe it would become a handle on
/// a file of the host (CVE-2019-5736). The second wall is that the monitor runs the same file as long as the
/// container lives, so it cannot be opened for writing (ETXTBSY).
pub fn refuseOurselves(program: [:0]const u8, ourselves: ?Identity) sys.Error!void {
    const own = ourselves orelse return;
    var name: [256]u8 = undefined;
    var current = program;
    for (0..interpreters_max) |_| {
        const identity = Identity.of(current) orelse return;
        if (std.meta.eql(identity, own)) {
            sys.failure = .{ .call = "execve", .detail = program, .errno = .ACCES };
            return error.Syscall;
        }
        current = interpreterOf(current, &name) orelse return;
    }
}

/// The interpreter in a "#!" line or an ELF header's PT_INTERP.
fn interpreterOf(path: [:0]const u8, name: *[256]u8) ?[:0]const u8 {
    const rc = linux.open(path, .{ .CLOEXEC = true, .NONBLOCK = true, .NOCTTY = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return null;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    var head: [4096]u8 = undefined;
    const n = linux.pread(fd, &head, head.len, 0);
    if (linux.errno(n) != .SUCCESS) return null;
    const found = parseInterpreter(head[0..n]) orelse return null;
    if (found.len >= name.len) return null;
    @memcpy(name[0..found.len], found);
    name[found.len] = 0;
    return name[0..found.len :0];
}

fn parseInterpreter(head: []const u8) ?[]const u8 {
    if (std.mem.startsWith(u8, head, "#!")) {
        const end = std.mem.indexOfScalar(u8, head, '\n') orelse head.len;
        var words = std.mem.tokenizeAny(u8, head[2..end], " \t");
        return words.next();
    }
    if (!std.mem.startsWith(u8, head, "\x7fELF\x02") or head.len < @sizeOf(std.elf.Elf64_Ehdr)) return null;
    const header = std.mem.bytesToValue(std.elf.Elf64_Ehdr, head[0..@sizeOf(std.elf.Elf64_Ehdr)]);
    const size = @sizeOf(std.elf.Elf64_Phdr);
    for (0..header.e_phnum) |i| {
        const at = std.math.add(u64, header.e_phoff, i * size) catch return null;
        if (at > head.len or head.len - at < size) return null;
        const segment = std.mem.bytesToValue(std.elf.Elf64_Phdr, head[@intCast(at)..][0..size]);
        if (segment.p_type != std.elf.PT_INTERP) continue;
        if (segment.p_offset > head.len) return null;
        return std.mem.sliceTo(head[@intCast(segment.p_offset)..], 0);
    }
    return null;
}

test "parseInterpreter()" {
    try std.testing.expectEqualStrings("/bin/sh", parseInterpreter("#! /bin/sh -e\nexit").?);
    try std.testing.expect(parseInterpreter("#!\n") == null);
    try std.testing.expect(parseInterpreter("echo") == null);
    try std.testing.expect(parseInterpreter("\x7fELF\x02 too short") == null);
}

test "fuzz: no file head crashes parseInterpreter()" {
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var head: [512]u8 = undefined;
            const bytes = head[0..smith.slice(&head)];
            if (parseInterpreter(bytes)) |name| try std.testing.expect(name.len <= bytes.len);
        }
    }.one, .{ .corpus = &.{ "#!/bin/sh\n", "\x7fELF\x02\x01\x01" } });
}

test "refuseOurselves() sees through a script" {
    const own = Identity.of("/proc/self/exe").?;
    try std.testing.expectError(error.Syscall, refuseOurselves("/proc/self/exe", own));
    try refuseOurselves("/dev/null", own);
    const io = std.testing.io;
    var tmp = std.testing.tmpDir(.{});
    defer tmp.cleanup();
    try tmp.dir.writeFile(io, .{ .sub_path = "script", .data = "#!/proc/self/exe -x\n" });
    var text: [128]u8 = undefined;
    const path = try std.fmt.bufPrintZ(&text, "/proc/self/fd/{d}/script", .{tmp.dir.handle});
    try std.testing.expectError(error.Syscall, refuseOurselves(path, own));
}
