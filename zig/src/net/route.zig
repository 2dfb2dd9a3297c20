//! Where something of a container's goes: to a name server when it is for ours, nowhere when it is forbidden, else where
//! the host says.
const guard = @import("guard.zig");
const host = @import("host.zig");
const resolver = @import("resolver.zig");
const Endpoint = @import("address.zig").Endpoint;
const Tap = @import("tap.zig").Tap;

pub fn find(tap: *const Tap, protocol: u8, to: Endpoint) host.Way {
    if (resolver.redirect(tap, to)) |way| return way;
    return if (guard.allows(tap.index, protocol, to)) host.find(tap, to) else .forbidden;
}
