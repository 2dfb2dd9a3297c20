//! Directories whose owner, mode and time are put on last: while entries are added to them they are 0700, not
//! setgid (which children would inherit) and their time moves. Keyed by inode, so that two names of one directory
//! are one record and the later entry wins. This is all that grows with an archive, and it has a limit.
const std = @import("std");
const kernel = @import("kernel.zig");
const metadata = @import("metadata.zig");
const pax = @import("pax.zig");
const sys = @import("../sys.zig");
const Tree = @import("tree.zig").Tree;
const linux = sys.linux;

/// All that is remembered together: a million directories with paths of ordinary length.
pub const bytes_max = 256 << 20;

pub const Attributes = struct { owner: metadata.Owner, mode: u32, mtime: pax.Timestamp };

const Record = struct { path: [:0]const u8, inode: u64, attributes: Attributes };

pub const Error = sys.Error || error{ TooManyDirectories, OutOfMemory };

pub const Directories = struct {
    arena: std.mem.Allocator,
    records: std.ArrayList(Record) = .empty,
    by_inode: std.AutoHashMapUnmanaged(u64, u32) = .empty,
    bytes: usize = 0,

    /// Remember an open directory, or replace what was remembered of it.
    pub fn remember(self: *Directories, fd: linux.fd_t, path: []const u8, attributes: Attributes) Error!void {
        var stat: linux.Statx = undefined;
        _ = try sys.check("statx", "", kernel.lookAt(fd, "", &stat));
        try self.put(stat.ino, path, attributes);
    }

    /// The same of one whose inode is known.
    pub fn put(self: *Directories, inode: u64, path: []const u8, attributes: Attributes) Error!void {
        self.bytes += path.len + @sizeOf(Record) + 16;
        if (self.bytes > bytes_max) return error.TooManyDirectories;
        const found = try self.by_inode.getOrPut(self.arena, inode);
        const record: Record = .{ .path = try self.arena.dupeZ(u8, path), .inode = inode, .attributes = attributes };
        if (found.found_existing) {
            self.records.items[found.value_ptr.*] = record;
        } else {
            found.value_ptr.* = @intCast(self.records.items.len);
            try self.records.append(self.arena, record);
        }
    }

    pub fn has(self: *const Directories, inode: u64) bool {
        return self.by_inode.contains(inode);
    }

    /// Put everything on, deepest first: a parent may take the right to enter away.
    pub fn finish(self: *Directories, tree: *const Tree, writer: *metadata.Writer) sys.Error!void {
        std.mem.sort(Record, self.records.items, {}, isLonger);
        for (self.records.items) |*record| {
            const path: [:0]const u8 = if (record.path.len == 0) "." else record.path;
            const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
            const rc = tree.open(path, flags);
            switch (linux.errno(rc)) {
                .NOENT, .NOTDIR, .LOOP => continue, // replaced since
                else => _ = try sys.check("openat2", "", rc),
            }
            const fd: linux.fd_t = @intCast(rc);
            defer _ = linux.close(fd);
            var stat: linux.Statx = undefined;
            _ = try sys.check("statx", "", kernel.lookAt(fd, "", &stat));
            if (stat.ino != record.inode) continue; // another directory is there now
            try writer.setOwnerAndMode(fd, record.attributes.owner, record.attributes.mode, false);
            try metadata.setTimes(fd, record.attributes.mtime);
        }
    }

    fn isLonger(_: void, a: Record, b: Record) bool {
        return a.path.len > b.path.len;
    }
};
