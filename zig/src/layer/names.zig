//! The names in a directory: getdents64(2) as an iterator over a caller's buffer. No "." and no "..".
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Buffer = struct {
    bytes: [16 << 10]u8 align(@alignOf(linux.dirent64)) = undefined,
};

pub const Entry = struct {
    /// Valid until the next call.
    name: [:0]const u8,
    /// DT_*; DT_UNKNOWN on file systems that do not tell.
    type: u8,
};

pub const Iterator = struct {
    fd: linux.fd_t,
    buffer: *Buffer,
    start: usize = 0,
    end: usize = 0,

    pub fn next(self: *Iterator) sys.Error!?Entry {
        while (true) {
            if (self.start == self.end) {
                const bytes = &self.buffer.bytes;
                self.start = 0;
                const rc = linux.getdents64(self.fd, bytes, bytes.len);
                // ENOENT: the directory has been removed since it was opened (getdents(2))
                self.end = if (linux.errno(rc) == .NOENT) 0 else try sys.check("getdents64", "", rc);
                if (self.end == 0) return null;
            }
            const entry: *const linux.dirent64 = @ptrCast(@alignCast(&self.buffer.bytes[self.start]));
            self.start += entry.reclen;
            const name_pointer: [*:0]const u8 = @ptrCast(&entry.name);
            const name = std.mem.span(name_pointer);
            const is_self = std.mem.eql(u8, name, ".") or std.mem.eql(u8, name, "..");
            if (!is_self) return .{ .name = name, .type = entry.type };
        }
    }

    /// Start again: entries added meanwhile are seen.
    pub fn rewind(self: *Iterator) sys.Error!void {
        _ = try sys.check("lseek", "", linux.lseek(self.fd, 0, linux.SEEK.SET));
        self.start = 0;
        self.end = 0;
    }
};

/// Reads from the directory's position, which is its beginning when it has just been opened.
pub fn isEmpty(directory: linux.fd_t) sys.Error!bool {
    var buffer: Buffer = .{};
    var iterator: Iterator = .{ .fd = directory, .buffer = &buffer };
    const first = try iterator.next();
    try iterator.rewind();
    return first == null;
}
