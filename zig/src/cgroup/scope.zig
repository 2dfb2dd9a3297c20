//! The manager "systemd": a container's group lies in a transient scope that systemd makes when asked over D-Bus, the
//! user's own systemd or, for root, the system's (systemd's docs/CGROUP_DELEGATION.md).
//!
//! Theory of operation. The call names the container's first process, and systemd moves it: from an ordinary login
//! only it can, for the session's group is not the user's. `Delegate=yes` makes the scope's inside ours. The limits
//! are not properties of the scope but files of a group inside it, `container`: systemd rewrites what is its own when
//! it is reloaded, and knows not all of them. The monitor, where there is one, lives beside it in `monitor`: the scope
//! goes away when the last process has (`CollectMode`), and nobody but the kernel could say then whether memory had run
//! out. It also is no longer part of a login that ends.
//! The call is sent as soon as there is a process; what else belongs to the start happens while systemd works.
const std = @import("std");
const sys = @import("../sys.zig");
const plans = @import("plan.zig");
const places = @import("place.zig");
const files = @import("files.zig");
const groups = @import("group.zig");
const directory = @import("directory.zig");
const hierarchies = @import("hierarchy.zig");
const addresses = @import("dbus/address.zig");
const connections = @import("dbus/connection.zig");
const wire = @import("dbus/wire.zig");
const owner = @import("owner.zig");
const linux = sys.linux;

const Error = sys.Error;
const Connection = connections.Connection;

/// systemd answers at once, unless the machine is starting or the user's systemd is.
const timeout_ms = 25_000;

/// At logout and shutdown: SIGTERM, then after so long SIGKILL. systemd's own 90 s would hold up a shutdown.
const stop_timeout_us = 10_000_000;

const inner = "container";

const manager: wire.Call = .{
    .destination = "org.freedesktop.systemd1",
    .path = "/org/freedesktop/systemd1",
    .interface = "org.freedesktop.systemd1.Manager",
    .member = "",
    .signature = "",
};

fn method(member: []const u8, signature: []const u8) wire.Call {
    var call = manager;
    call.member = member;
    call.signature = signature;
    return call;
}

/// The environment of this process, in which the user's bus is named. Set once, by the verb table.
pub var environ: addresses.Environment = &[0:null]?[*:0]const u8{};

pub fn connect(arena: std.mem.Allocator) Error!*Connection {
    const candidates = addresses.candidates(arena, environ, owner.uid()) catch return outOfMemory();
    for (candidates) |address| {
        if (try Connection.open(arena, address, timeout_ms)) |connection| return connection;
    }
    if (owner.uid() == 0) return sys.fail("cgroup", "systemd does not run here, or does not let us in; to fix it: use the cgroup manager cgroupfs");
    return sys.fail("cgroup", "no systemd of yours is running here; to fix it: log in (with su or in cron there is none), or sudo loginctl enable-linger $USER");
}

/// Whether a systemd of ours listens.
pub fn isThere(arena: std.mem.Allocator) bool {
    const c = connect(arena) catch return false;
    c.close();
    return true;
}

/// What is put into a slice that is frozen stands still at once, and so would we. It is looked for where the systemd
/// that we talk to has its groups; through a broker nobody knows where that is.
pub fn refuseFrozen(arena: std.mem.Allocator, c: *const Connection, scope: *const places.Scope) Error!void {
    const slice = scope.slice orelse return;
    const hierarchy = hierarchies.find(arena) orelse return;
    const itself = hierarchies.groupOf(arena, c.peer() orelse return) orelse return;
    var path = hierarchies.join(arena, hierarchy.top, std.fs.path.dirname(itself) orelse "/") orelse return outOfMemory();
    var end: usize = 0;
    while (end < slice.len) { // "a-b.slice" lies in "a.slice" (systemd.slice(5))
        end = std.mem.indexOfScalarPos(u8, slice, end, '-') orelse slice.len - ".slice".len;
        const name = std.fmt.allocPrint(arena, "{s}.slice", .{slice[0..end]}) catch return outOfMemory();
        path = hierarchies.join(arena, path, name) orelse return outOfMemory();
        const group: groups.Cgroup = .{ .path = path };
        if (group.isFrozen()) return sys.failFormat("cgroup", "{s} is frozen, so nothing that is put there starts; to fix it: systemctl thaw {s} (with --user when it is yours), or choose another slice", .{ name, name });
        end += if (end + ".slice".len == slice.len) ".slice".len else 1;
    }
}

/// Ask for the scope, with `pid` in it, and perhaps with us. Does not wait.
pub fn request(c: *Connection, scope: *const places.Scope, pid: linux.pid_t, with_us: bool) Error!void {
    var w = c.beginCall(method("StartTransientUnit", "ssa(sv)a(sa(sv))"));
    w.string(scope.unit);
    w.string("fail");
    const properties = w.beginArray(8);
    w.property("Description", "s");
    var buffer: [128]u8 = undefined;
    const description = std.fmt.bufPrint(&buffer, "tspod container {s}", .{scope.id}) catch "tspod container";
    w.string(if (std.unicode.utf8ValidateSlice(description)) description else "tspod container");
    w.property("PIDs", "au");
    const pids = w.beginArray(4);
    w.uint32(@intCast(pid));
    if (with_us) w.uint32(@intCast(linux.getpid()));
    w.endArray(pids);
    w.property("Slice", "s");
    w.string(scope.slice orelse if (owner.uid() == 0) "system.slice" else "user.slice");
    w.property("Delegate", "b");
    w.uint32(1);
    w.property("CollectMode", "s");
    w.string("inactive-or-failed");
    w.property("TimeoutStopUSec", "t");
    w.uint64(stop_timeout_us);
    w.endArray(properties);
    const auxiliary = w.beginArray(8);
    w.endArray(auxiliary);
    try c.endCall(&w);
    try c.flush();
}

/// Until the scope is there; then the processes move on into groups of their own inside it.
pub fn settle(plan: *const plans.Plan, c: *Connection, pid: linux.pid_t) Error!groups.Cgroup {
    const arena = plan.arena;
    const scope = &plan.place.scope;
    try awaitJob(c, scope.unit);
    const hierarchy = hierarchies.find(arena) orelse return directory.noHierarchy();
    const path = hierarchies.groupOf(arena, pid) orelse return misplaced(scope.unit);
    if (!std.mem.eql(u8, std.fs.path.basename(path), scope.unit)) return misplaced(scope.unit);
    const outer = hierarchies.join(arena, hierarchy.top, path) orelse return outOfMemory();
    if (owner.uid() == 0) try offer(arena, hierarchy.top, path);
    const group = try makeInner(arena, outer, inner, pid);
    if (plan.has_monitor) _ = try makeInner(arena, outer, "monitor", linux.getpid());
    try directory.enableControllers(outer);
    return group;
}

fn makeInner(arena: std.mem.Allocator, outer: [:0]const u8, name: []const u8, pid: linux.pid_t) Error!groups.Cgroup {
    const group: groups.Cgroup = .{ .path = hierarchies.join(arena, outer, name) orelse return outOfMemory() };
    const rc = linux.mkdir(group.path, 0o755);
    if (linux.errno(rc) != .EXIST) _ = try sys.check("mkdir", group.path, rc);
    try group.enter(pid);
    return group;
}

/// Controllers that systemd does not manage (hugetlb, rdma) are handed down by nobody else. Those that cannot be had
/// are missed only by whoever needs them.
fn offer(arena: std.mem.Allocator, top: [:0]const u8, path: []const u8) Error!void {
    var end: usize = 0;
    while (std.mem.indexOfScalarPos(u8, path, end + 1, '/')) |slash| : (end = slash) {
        const above = hierarchies.join(arena, top, path[0..end]) orelse return outOfMemory();
        directory.enableControllers(above) catch {};
    }
    const above = hierarchies.join(arena, top, path[0..end]) orelse return outOfMemory();
    directory.enableControllers(above) catch {};
}

/// The reply comes when the job is made, the signal when it is done. Only the unit's name is certain to be ours.
fn awaitJob(c: *Connection, unit: []const u8) Error!void {
    while (true) {
        const message = try c.next();
        switch (message.type) {
            .failure => return refused(&message),
            .signal => {
                if (!std.mem.eql(u8, message.member, "JobRemoved") or !std.mem.eql(u8, message.signature, "uoss")) continue;
                const job = readJob(&message) catch return malformed();
                if (!std.mem.eql(u8, job.unit, unit)) continue;
                if (std.mem.eql(u8, job.result, "done")) return;
                return sys.failFormat("cgroup", "systemd did not make {s}: the job's result is \"{s}\"", .{ unit, job.result });
            },
            else => {},
        }
    }
}

const Job = struct { unit: []const u8, result: []const u8 };

fn readJob(message: *const wire.Message) error{Malformed}!Job {
    var reader = message.reader();
    _ = try reader.uint32();
    _ = try reader.string();
    return .{ .unit = try reader.string(), .result = try reader.string() };
}

fn refused(message: *const wire.Message) Error {
    var reader = message.reader();
    const reason = if (std.mem.startsWith(u8, message.signature, "s")) reader.string() catch "" else "";
    const text = if (reason.len > 0) reason else message.error_name;
    return sys.failFormat("cgroup", "systemd did not make the container's scope: {s}", .{text[0..@min(text.len, 512)]});
}

/// Into a group below a unit of ours, by systemd: we ourselves may not move a process out of a login's session. The unit
/// is a container's scope, or the service that started one with --cgroups=split.
pub fn attach(arena: std.mem.Allocator, group: groups.Cgroup, pid: linux.pid_t) Error!void {
    const unit, const below = unitOf(group.path) orelse return misplaced(group.path);
    const c = try connect(arena);
    defer c.close();
    var w = c.beginCall(method("AttachProcessesToUnit", "ssau"));
    w.string(unit);
    w.string(below);
    const pids = w.beginArray(4);
    w.uint32(@intCast(pid));
    w.endArray(pids);
    try c.endCall(&w);
    const serial = c.serial;
    try c.flush();
    while (true) {
        const message = try c.next();
        if (message.reply_serial != serial) continue;
        if (message.type == .reply) return;
        if (message.type == .failure) return refused(&message);
    }
}

/// The innermost unit that holds a group, and the group's path below it.
fn unitOf(path: []const u8) ?struct { []const u8, []const u8 } {
    var end = path.len;
    while (std.mem.lastIndexOfScalar(u8, path[0..end], '/')) |slash| : (end = slash) {
        const name = path[slash + 1 .. end];
        const is_unit = std.mem.endsWith(u8, name, ".scope") or std.mem.endsWith(u8, name, ".service");
        if (is_unit and end < path.len) return .{ name, path[end..] };
    }
    return null;
}

test "unitOf() finds the unit that systemd knows, and what lies in it" {
    const user = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service";
    const scope = unitOf(user ++ "/user.slice/tspod-1.scope/container").?;
    try std.testing.expectEqualStrings("tspod-1.scope", scope[0]);
    try std.testing.expectEqualStrings("/container", scope[1]);
    const service = unitOf(user ++ "/app.slice/web.service/a/tspod-1").?;
    try std.testing.expectEqualStrings("web.service", service[0]);
    try std.testing.expectEqualStrings("/a/tspod-1", service[1]);
    try std.testing.expectEqual(null, unitOf("/sys/fs/cgroup/tspod-1"));
}

fn misplaced(unit: []const u8) Error {
    return sys.failFormat("cgroup", "systemd did not move the container's process into {s}", .{unit});
}

fn malformed() Error {
    return sys.fail("cgroup", "what systemd answered is not D-Bus");
}

fn outOfMemory() Error {
    return sys.fail("cgroup", "out of memory");
}
