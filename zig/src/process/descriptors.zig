//! What is open when a program is looked up and executed: its standard streams, what is passed on to it, and the few
//! descriptors of ours that are needed until then, none of them a directory. Everything else is closed for good, not
//! only by execve: a path of the image may lead through /proc/self/fd, as its program, its interpreter or its working
//! directory, and through a directory of the host it would come out there (CVE-2024-21626).
const sys = @import("../sys.zig");
const linux = sys.linux;

/// Move `kept` to `first` and the numbers after it, in their order, and close all that is above. `inherited`, one of
/// them, stays open across execve.
pub fn settle(first: linux.fd_t, kept: []const ?*linux.fd_t, inherited: ?*const linux.fd_t) sys.Error!void {
    const above: usize = @as(usize, @intCast(first)) + kept.len;
    for (kept) |entry| { // out of the way of their new places
        const fd = entry orelse continue;
        fd.* = try sys.checkFd("fcntl", "", linux.fcntl(fd.*, linux.F.DUPFD_CLOEXEC, above));
    }
    var place = first;
    for (kept) |entry| {
        const fd = entry orelse continue;
        const flags: linux.O = .{ .CLOEXEC = fd != inherited };
        _ = try sys.check("dup3", "", linux.dup3(fd.*, place, @bitCast(flags)));
        fd.* = place;
        place += 1;
    }
    sys.closeFrom(place);
}
