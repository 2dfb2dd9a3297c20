//! What is open when a program is looked up and executed: its standard streams, what is passed on to it, and the few
//! descriptors of ours that are needed until then, none of them a directory. Everything else is closed for good, not
//! only by execve: a path of the image may lead through /proc/self/fd, as its program, its interpreter or its working
//! directory, and through a directory of the host it would come out there (CVE-2024-21626).
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

const first_after_streams = 3;

/// More than a service manager ever passes.
pub const passed_max = 1024;

/// What a program gets besides its streams, open and under the same numbers.
pub const Passed = struct {
    /// Ascending, from 3 on.
    numbers: []const linux.fd_t = &.{},

    const static = struct {
        var numbers: [passed_max]linux.fd_t = undefined;
    };

    /// As many as `count`, from 3 on.
    pub fn following(count: usize) Passed {
        for (static.numbers[0..count], first_after_streams..) |*number, fd| number.* = @intCast(fd);
        return .{ .numbers = static.numbers[0..count] };
    }

    /// From "3,4,7".
    pub fn parse(text: []const u8) sys.Error!Passed {
        var count: usize = 0;
        var words = std.mem.splitScalar(u8, text, ',');
        while (words.next()) |word| : (count += 1) {
            const least = if (count == 0) first_after_streams else static.numbers[count - 1] + 1;
            const number = std.fmt.parseInt(linux.fd_t, word, 10) catch -1;
            if (count == passed_max or number < least) return sys.failFormat("usage", "\"{s}\" is no list of descriptors", .{text});
            static.numbers[count] = number;
        }
        return .{ .numbers = static.numbers[0..count] };
    }

    /// The number after the last.
    pub fn end(passed: Passed) linux.fd_t {
        const count = passed.numbers.len;
        return if (count == 0) first_after_streams else passed.numbers[count - 1] + 1;
    }

    /// Each must be there: otherwise one of ours would be in its place. What else we start does not get them, and what
    /// lies between them is of no use.
    pub fn hold(passed: Passed) sys.Error!void {
        passed.closeGaps();
        for (passed.numbers) |fd| {
            const rc = linux.fcntl(fd, linux.F.SETFD, linux.FD_CLOEXEC);
            if (linux.errno(rc) == .SUCCESS) continue;
            return sys.failFormat("descriptors", "descriptor {d} is to be passed on, but is not open", .{fd});
        }
    }

    fn closeGaps(passed: Passed) void {
        var fd: linux.fd_t = first_after_streams;
        for (passed.numbers) |number| {
            while (fd < number) : (fd += 1) _ = linux.close(fd);
            fd = number + 1;
        }
    }

    /// For the program that is executed next.
    pub fn release(passed: Passed) sys.Error!void {
        for (passed.numbers) |fd| _ = try sys.check("fcntl", "a descriptor to pass on", linux.fcntl(fd, linux.F.SETFD, 0));
    }

    /// The program has its own: whoever reads their other ends must see when it closes them.
    pub fn close(passed: Passed) void {
        for (passed.numbers) |fd| _ = linux.close(fd);
    }
};

/// Move `kept` to the numbers after those of `passed`, in their order, and close everything else. `inherited`, one of
/// them, stays open across execve.
pub fn settle(passed: Passed, kept: []const ?*linux.fd_t, inherited: ?*const linux.fd_t) sys.Error!void {
    const above = @as(usize, @intCast(passed.end())) + kept.len;
    for (kept) |entry| { // out of the way of their new places
        const fd = entry orelse continue;
        fd.* = try sys.checkFd("fcntl", "", linux.fcntl(fd.*, linux.F.DUPFD_CLOEXEC, above));
    }
    passed.closeGaps();
    try passed.release();
    var place = passed.end();
    for (kept) |entry| {
        const fd = entry orelse continue;
        const flags: linux.O = .{ .CLOEXEC = fd != inherited };
        _ = try sys.check("dup3", "", linux.dup3(fd.*, place, @bitCast(flags)));
        fd.* = place;
        place += 1;
    }
    sys.closeFrom(place);
}

test "parse() takes ascending numbers from 3 on" {
    try std.testing.expectEqualSlices(linux.fd_t, &.{ 3, 4, 70 }, (try Passed.parse("3,4,70")).numbers);
    try std.testing.expectEqual(71, (try Passed.parse("3,4,70")).end());
    try std.testing.expectEqual(3, (Passed{}).end());
    for ([_][]const u8{ "", "2", "4,4", "5,4", "3,", "x", "99999999999" }) |bad| {
        try std.testing.expectError(error.Syscall, Passed.parse(bad));
    }
}
