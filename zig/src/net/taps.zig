//! The containers that are served: one, or as many as are on a network.
const Tap = @import("tap.zig").Tap;

pub const taps_max = 64;
pub var all: [taps_max]Tap = @splat(.{});
pub var count: usize = 0;
/// The monitor's end of us.
pub var control: i32 = -1;
