//! What is known of each container besides its TAP: names, rules, sockets ahead. All of it is memory that is zero until
//! somebody needs it, and only touched as far as he does. One container has its own in the program; for a network as much
//! as it may ever need is set aside once, before the cage.
const std = @import("std");
const sys = @import("../sys.zig");
const guard = @import("guard.zig");
const maker = @import("maker.zig");
const resolver = @import("resolver.zig");
const texts = @import("texts.zig");
const taps = @import("taps.zig");
const linux = sys.linux;

pub const State = struct {
    texts: texts.Room,
    resolver: resolver.Own,
    guard: guard.Own,
    maker: maker.Own,
};

/// Bytes, so that the linker sees nothing but zeros.
var first: [@sizeOf(State)]u8 align(@alignOf(State)) = @splat(0);
var all: [*]State = @ptrCast(&first);

pub fn of(index: u8) *State {
    return &all[index];
}

/// For as many as there may be. What nobody touches is no memory.
pub fn reserve() sys.Error!void {
    const bytes = @sizeOf(State) * taps.taps_max;
    const protection: linux.PROT = .{ .READ = true, .WRITE = true };
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true };
    const rc = try sys.check("mmap", "network", linux.mmap(null, bytes, protection, flags, -1, 0));
    all = @ptrFromInt(rc);
}
