//! What the verbs answer when all went well: one line of JSON (src/helper/files.ts reads it). What was refused is
//! layer/reply.zig's.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");

const exit_failed = 125;

pub const Sent = struct { entries: u64, bytes: u64, skipped_sockets: u64 };

pub fn sent(what: Sent) u8 {
    return line("{{\"ok\":true,\"verb\":\"send\",\"entries\":{d},\"bytes\":{d},\"skippedSockets\":{d}}}\n", .{
        what.entries, what.bytes, what.skipped_sockets,
    });
}

pub const Received = struct { entries: u64 = 0, bytes: u64 = 0, skipped_devices: u64 = 0, lost_owners: u64 = 0 };

pub fn received(what: Received) u8 {
    return line(
        "{{\"ok\":true,\"verb\":\"receive\",\"entries\":{d},\"bytes\":{d},\"skippedDevices\":{d},\"lostOwners\":{d}}}\n",
        .{ what.entries, what.bytes, what.skipped_devices, what.lost_owners },
    );
}

pub fn line(comptime format: []const u8, args: anytype) u8 {
    var buffer: [16 << 10]u8 = undefined;
    const bytes = std.fmt.bufPrint(&buffer, format, args) catch return exit_failed;
    sys.writeAll(layer.reply.descriptor, bytes) catch return exit_failed;
    return 0;
}
