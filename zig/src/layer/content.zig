//! The bytes of one file into another: shared by reflink where the file system can (FICLONE, ioctl_ficlone(2)), else
//! copied in the kernel (copy_file_range(2)), else by read and write. What could not be done once is not tried again.
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Buffer = [256 << 10]u8;

pub const Content = struct {
    buffer: *Buffer,
    can_clone: bool = true,
    can_copy_range: bool = true,

    /// All of `source`, as `stat` has it, into the new file `target`; holes stay holes.
    pub fn copy(self: *Content, source: linux.fd_t, target: linux.fd_t, stat: linux.Statx) sys.Error!void {
        if (self.can_clone) {
            const rc = linux.ioctl(target, ficlone, @intCast(source));
            if (linux.errno(rc) == .SUCCESS) return;
            if (linux.errno(rc) == .NOSPC or linux.errno(rc) == .DQUOT) _ = try sys.check("ioctl", "", rc);
            self.can_clone = false;
        }
        const is_sparse = stat.blocks * 512 < stat.size;
        if (!is_sparse) return self.copyRange(source, target, stat.size);
        var offset: u64 = 0;
        while (offset < stat.size) {
            const rc = linux.lseek(source, @intCast(offset), seek_data);
            if (linux.errno(rc) == .NXIO) break; // nothing but a hole is left
            offset = try sys.check("lseek", "", rc);
            const end = try sys.check("lseek", "", linux.lseek(source, @intCast(offset), seek_hole));
            for ([_]linux.fd_t{ source, target }) |fd| {
                _ = try sys.check("lseek", "", linux.lseek(fd, @intCast(offset), linux.SEEK.SET));
            }
            try self.copyRange(source, target, end - offset);
            offset = end;
        }
        _ = try sys.check("ftruncate", "", linux.ftruncate(target, @intCast(stat.size)));
    }

    /// `length` bytes from both files' positions on, fewer when the source ends.
    fn copyRange(self: *Content, source: linux.fd_t, target: linux.fd_t, length: u64) sys.Error!void {
        var left = length;
        while (self.can_copy_range and left > 0) {
            const rc = linux.copy_file_range(source, null, target, null, @min(left, 1 << 30), 0);
            switch (linux.errno(rc)) {
                .SUCCESS => {},
                .INTR => continue,
                .XDEV, .OPNOTSUPP, .INVAL, .NOSYS => {
                    self.can_copy_range = false;
                    break;
                },
                else => _ = try sys.check("copy_file_range", "", rc),
            }
            if (rc == 0) break; // the end, or a file system that cannot and does not say so
            left -= rc;
        }
        while (left > 0) {
            const buffer = self.buffer;
            const rc = linux.read(source, buffer, @min(left, buffer.len));
            if (linux.errno(rc) == .INTR) continue;
            const count = try sys.check("read", "", rc);
            if (count == 0) return;
            try sys.writeAll(target, buffer[0..count]);
            left -= count;
        }
    }
};

/// lseek(2), Linux 3.1.
const seek_data = 3;
const seek_hole = 4;

/// FICLONE (linux/fs.h): _IOW(0x94, 9, int).
const ficlone = 0x40049409;
