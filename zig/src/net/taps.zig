//! The containers that are served: one, or as many as are on a network.
const std = @import("std");
const packet = @import("packet.zig");
const Address = @import("address.zig").Address;
const Tap = @import("tap.zig").Tap;

/// Of one network. More would want more than one thread.
pub const taps_max = 250;
pub var all: [taps_max]Tap = undefined;
/// How many places were ever used: some of them may be empty again (`fd`).
pub var count: usize = 0;
/// The monitor's end of us, when we are one container's.
pub var control: i32 = -1;

pub fn used() []Tap {
    return all[0..count];
}

pub fn findByMac(mac: packet.Mac) ?*Tap {
    for (used()) |*tap| if (tap.fd >= 0 and std.mem.eql(u8, &tap.mac, &mac)) return tap;
    return null;
}

pub fn findByAddress(address: Address) ?*Tap {
    for (used()) |*tap| if (tap.fd >= 0 and (tap.isOwn(address) or tap.linkLocal().eql(address))) return tap;
    return null;
}
