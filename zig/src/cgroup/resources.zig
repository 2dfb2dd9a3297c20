//! config.json's `linux.resources` (OCI runtime-spec 1.2, config-linux.md "Control groups"): types only. Which of it
//! cgroup v2 can honour, and how, is plan.zig's.
const std = @import("std");

const Text = [:0]const u8;

pub const Resources = struct {
    devices: []const DeviceRule = &.{},
    memory: ?Memory = null,
    cpu: ?Cpu = null,
    pids: ?Pids = null,
    blockIO: ?BlockIo = null,
    hugepageLimits: []const HugepageLimit = &.{},
    network: ?Network = null,
    rdma: std.json.ArrayHashMap(Rdma) = .{},
    unified: std.json.ArrayHashMap([]const u8) = .{},

    /// The name of the first limit that somebody asked for. Nulls, zeros, negative numbers and empty objects ask
    /// for nothing (`pids.limit` -1 is "unlimited"); `devices` and `network` limit nothing here.
    pub fn asked(self: *const Resources) ?[]const u8 {
        inline for (.{ "memory", "cpu", "pids", "blockIO", "hugepageLimits", "rdma", "unified" }) |name| {
            if (asks(@field(self, name))) return name;
        }
        return null;
    }

    fn asks(value: anytype) bool {
        const T = @TypeOf(value);
        if (T == std.json.ArrayHashMap(Rdma) or T == std.json.ArrayHashMap([]const u8)) return value.map.count() > 0;
        switch (@typeInfo(T)) {
            .optional => return if (value) |present| asks(present) else false,
            .bool => return value,
            .int => return value > 0,
            .pointer => return value.len > 0,
            .@"struct" => |info| {
                inline for (info.fields) |field| if (asks(@field(value, field.name))) return true;
                return false;
            },
            else => comptime unreachable,
        }
    }
};

pub const DeviceRule = struct {
    allow: bool = false,
    type: ?[]const u8 = null,
    major: ?i64 = null,
    minor: ?i64 = null,
    access: ?[]const u8 = null,
};

/// Bytes; -1 is "unlimited".
pub const Memory = struct {
    limit: ?i64 = null,
    reservation: ?i64 = null,
    /// Memory and swap together.
    swap: ?i64 = null,
    kernel: ?i64 = null,
    kernelTCP: ?i64 = null,
    swappiness: ?u64 = null,
    disableOOMKiller: ?bool = null,
    useHierarchy: ?bool = null,
    checkBeforeUpdate: ?bool = null,
};

/// Times in microseconds.
pub const Cpu = struct {
    shares: ?u64 = null,
    quota: ?i64 = null,
    burst: ?u64 = null,
    period: ?u64 = null,
    realtimeRuntime: ?i64 = null,
    realtimePeriod: ?u64 = null,
    cpus: ?Text = null,
    mems: ?Text = null,
    idle: ?i64 = null,
};

pub const Pids = struct { limit: ?i64 = null };

pub const BlockIo = struct {
    weight: ?u16 = null,
    leafWeight: ?u16 = null,
    weightDevice: []const WeightDevice = &.{},
    throttleReadBpsDevice: []const ThrottleDevice = &.{},
    throttleWriteBpsDevice: []const ThrottleDevice = &.{},
    throttleReadIOPSDevice: []const ThrottleDevice = &.{},
    throttleWriteIOPSDevice: []const ThrottleDevice = &.{},
};

pub const WeightDevice = struct { major: i64, minor: i64, weight: ?u16 = null, leafWeight: ?u16 = null };

/// Bytes or operations a second.
pub const ThrottleDevice = struct { major: i64, minor: i64, rate: u64 };

/// `pageSize` as in "2MB".
pub const HugepageLimit = struct { pageSize: Text, limit: u64 };

pub const Network = struct {
    classID: ?u32 = null,
    priorities: []const Priority = &.{},

    pub const Priority = struct { name: []const u8, priority: u32 };
};

pub const Rdma = struct { hcaHandles: ?u32 = null, hcaObjects: ?u32 = null };

test "Resources: only what limits something is asked for" {
    const options: std.json.ParseOptions = .{ .ignore_unknown_fields = true };
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    const nothing = "{\"devices\":[{\"allow\":false}],\"pids\":{\"limit\":-1},\"cpu\":{}}";
    const none = try std.json.parseFromSliceLeaky(Resources, arena, nothing, options);
    try std.testing.expect(none.asked() == null);
    const some = try std.json.parseFromSliceLeaky(Resources, arena, "{\"memory\":{\"limit\":1048576}}", options);
    try std.testing.expectEqualStrings("memory", some.asked().?);
}
