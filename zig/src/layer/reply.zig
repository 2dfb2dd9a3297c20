//! What a layer verb answers: one line of JSON on standard output (LayerReply in src/helper/contract.ts), and the
//! exit status that goes with it. Names out of an archive are any bytes: here they become valid, harmless text.
const std = @import("std");
const sys = @import("../sys.zig");
const userns = @import("../userns.zig");
const linux = sys.linux;

const exit_failed = 125;

/// Standard output, unless that is where an archive goes.
pub var descriptor: linux.fd_t = 1;

pub const Done = struct {
    /// Entries of the archive applied, of the tree removed or copied.
    entries: u64 = 0,
    /// Bytes of file content.
    bytes: u64 = 0,
    skipped_devices: u64 = 0,
    lost_owners: u64 = 0,
    dropped_xattrs: u64 = 0,
    invented_directories: u64 = 0,
    opaque_root: bool = false,
};

pub fn done(what: Done) u8 {
    var buffer: [512]u8 = undefined;
    const line = std.fmt.bufPrint(&buffer, "{{\"ok\":true,\"entries\":{d},\"bytes\":{d},\"skippedDevices\":{d}," ++
        "\"lostOwners\":{d},\"droppedXattrs\":{d},\"inventedDirectories\":{d},\"opaqueRoot\":{}}}\n", .{
        what.entries,
        what.bytes,
        what.skipped_devices,
        what.lost_owners,
        what.dropped_xattrs,
        what.invented_directories,
        what.opaque_root,
    }) catch unreachable;
    sys.writeAll(descriptor, line) catch return exit_failed;
    return 0;
}

/// `entry`: the name of what was being worked on, as raw bytes, or "".
pub fn refused(entry: []const u8, err: anyerror) u8 {
    const failure: sys.Failure = if (err == error.Syscall)
        sys.failure orelse .{ .call = "", .errno = .SUCCESS }
    else
        .{ .call = "", .errno = .SUCCESS };
    var errno_buffer: [32]u8 = undefined;
    const errno = if (failure.errno == .SUCCESS) "" else sys.errnoName(failure.errno, &errno_buffer);
    const message = if (err == error.Syscall) systemSentence(failure) else sentence(err);
    var buffer: [8192]u8 = undefined;
    var writer: std.Io.Writer = .fixed(&buffer);
    writeRefusal(&writer, entry, failure.call, errno, message) catch unreachable;
    sys.writeAll(descriptor, writer.buffered()) catch {};
    return exit_failed;
}

fn writeRefusal(
    writer: *std.Io.Writer,
    entry: []const u8,
    call: []const u8,
    errno: []const u8,
    message: []const u8,
) std.Io.Writer.Error!void {
    try writer.writeAll("{\"ok\":false,\"entry\":\"");
    try writeName(writer, entry);
    try writer.print("\",\"call\":\"{s}\",\"errno\":\"{s}\",\"message\":\"", .{ call, errno });
    try writeName(writer, message);
    try writer.writeAll("\"}\n");
}

pub fn usage(comptime verb: []const u8) u8 {
    sys.writeAll(2, "tspod: wrong use of native " ++ verb ++ ": this command is for tspod itself\n") catch {};
    return exit_failed;
}

/// Do the work as root of a user namespace with these maps, or, without maps, where we are.
pub fn inside(
    arena: std.mem.Allocator,
    maps: userns.Maps,
    work: anytype,
    comptime body: fn (@TypeOf(work)) u8,
) u8 {
    if (maps.uid.len == 0 and maps.gid.len == 0) return body(work);
    const plan = userns.Plan.prepare(arena, maps) catch |err| return refused("", err);
    const status = userns.runInside(&plan, 0, work, struct {
        fn dieWithParentAndWork(context: @TypeOf(work)) u8 {
            // A change of credentials on the way in takes the parent-death signal away (prctl(2)).
            _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
            return body(context);
        }
    }.dieWithParentAndWork) catch |err| return refused("", err);
    return @intCast(@min(status, 255));
}

/// The most of a name that is shown; the rest becomes "...".
const shown_bytes_max = 512;

/// Text that is valid in a JSON string and harmless on a terminal: control characters, bytes that are not UTF-8 and
/// the backslash itself appear as \xNN.
pub fn writeName(writer: *std.Io.Writer, name: []const u8) std.Io.Writer.Error!void {
    const shown = name[0..@min(name.len, shown_bytes_max)];
    var index: usize = 0;
    while (index < shown.len) {
        const length = visibleLength(shown[index..]);
        if (length == 0) {
            try writer.print("\\\\x{x:0>2}", .{shown[index]});
            index += 1;
            continue;
        }
        if (shown[index] == '"') try writer.writeByte('\\');
        try writer.writeAll(shown[index..][0..length]);
        index += length;
    }
    if (shown.len < name.len) try writer.writeAll("...");
}

/// Bytes of the first character, 0 when it must be escaped.
fn visibleLength(bytes: []const u8) usize {
    const length = std.unicode.utf8ByteSequenceLength(bytes[0]) catch return 0;
    if (length > bytes.len) return 0;
    const point = std.unicode.utf8Decode(bytes[0..length]) catch return 0;
    const is_harmless = switch (point) {
        0...0x1f, 0x7f...0x9f, '\\' => false,
        // Line separators, and the marks that change the direction of what follows.
        0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff => false,
        else => true,
    };
    return if (is_harmless) length else 0;
}

fn systemSentence(failure: sys.Failure) []const u8 {
    return switch (failure.errno) {
        .SUCCESS => failure.detail,
        .NOSPC => "the file system is full",
        .DQUOT => "the disk quota is used up",
        .ROFS => "the file system is read-only",
        .NAMETOOLONG => "a name is longer than the file system allows",
        .MLINK => "the file system allows no more hard links to that file",
        .XDEV => "something is mounted inside the directory",
        .NOSYS => "the kernel is too old: openat2 needs Linux 5.6",
        .LOOP => "too many symbolic links in its path",
        else => "the system refused it",
    };
}

/// Why an archive or a tree was refused, as half a sentence.
pub fn sentence(err: anyerror) []const u8 {
    return switch (err) {
        error.Truncated => "the archive ends in the middle of an entry",
        error.BadChecksum => "not a tar header, or a damaged one: its checksum is wrong",
        error.BadNumber => "a number in its tar header is malformed",
        error.BadSize => "its tar header gives a negative size",
        error.BadEnd => "the archive goes on after a zero block",
        error.BadPaxRecord => "its pax header is malformed",
        error.SpecialTooLong => "its long name or pax header exceeds 1 MiB",
        error.Sparse => "sparse entries are not supported",
        error.Unsupported => "entries of this type are not supported",
        error.NulInName => "its name contains a NUL byte",
        error.EscapesRoot => "its name leads out of the layer",
        error.PathTooLong => "its path is longer than 4095 bytes",
        error.NameTooLong => "a component of its path is longer than 255 bytes",
        error.ParentNotDirectory => "something in its path is not a directory",
        error.TooManyLinks => "too many symbolic links in its path",
        error.BadWhiteout => "its name is no valid whiteout",
        error.RootNotDirectory => "the layer's root can only be a directory",
        error.BadLinkTarget => "its link target is not a file inside the layer",
        error.LinkTargetMissing => "its hard link target is not in this layer",
        error.TooManyDirectories => "the layer has too many directories",
        error.TooManyEntries => "the layer has too many entries",
        error.NotEmpty => "the directory to unpack into is not empty",
        error.DirectoryInTheWay => "a directory of that name is there",
        error.FileInTheWay => "something of that name is there that is not a directory",
        error.NameOfWhiteout => "a name that begins with \".wh.\" means a deleted file in a layer",
        error.Changed => "it changed while it was read",
        error.OutOfMemory => "out of memory",
        else => @errorName(err),
    };
}

const testing = std.testing;

test "writeName() makes any bytes valid JSON and harmless" {
    const Case = struct { name: []const u8, text: []const u8 };
    const cases = [_]Case{
        .{ .name = "etc/passwd", .text = "etc/passwd" },
        .{ .name = "a\"b", .text = "a\\\"b" },
        .{ .name = "a\nb\x1b[31m", .text = "a\\\\x0ab\\\\x1b[31m" },
        .{ .name = "\xff\xc3", .text = "\\\\xff\\\\xc3" },
        .{ .name = "caf\u{e9} \u{1f433}", .text = "caf\u{e9} \u{1f433}" },
        .{ .name = "\u{202e}\u{9b}", .text = "\\\\xe2\\\\x80\\\\xae\\\\xc2\\\\x9b" },
        .{ .name = "back\\slash", .text = "back\\\\x5cslash" },
    };
    for (cases) |case| {
        var buffer: [256]u8 = undefined;
        var writer: std.Io.Writer = .fixed(&buffer);
        try writeName(&writer, case.name);
        try testing.expectEqualStrings(case.text, writer.buffered());
    }
}

test "fuzz writeRefusal(): always one line of JSON" {
    try testing.fuzz({}, struct {
        fn one(_: void, smith: *testing.Smith) !void {
            var name: [1024]u8 = undefined;
            var buffer: [8192]u8 = undefined;
            var writer: std.Io.Writer = .fixed(&buffer);
            try writeRefusal(&writer, name[0..smith.slice(&name)], "openat2", "EIO", "a \"sentence\"");
            const line = writer.buffered();
            try testing.expectEqual(line.len - 1, std.mem.findScalar(u8, line, '\n').?);
            try testing.expect(try std.json.validate(testing.allocator, line));
        }
    }.one, .{ .corpus = &.{ "etc/passwd", "\xff\xfe\n\"\\", "\xf0\x9f\x90\xb3" } });
}
