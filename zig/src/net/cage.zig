//! What is taken from the process before it sees its first packet.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = std.os.linux;

pub fn enter() sys.Error!void {
    _ = linux.prctl(@intFromEnum(linux.PR.SET_DUMPABLE), 0, 0, 0, 0);
    _ = try sys.check("prctl", "no_new_privs", linux.prctl(@intFromEnum(linux.PR.SET_NO_NEW_PRIVS), 1, 0, 0, 0));
}
