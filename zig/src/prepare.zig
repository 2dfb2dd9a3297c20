//! config.json and helper.json of a container become a plan: everything is parsed, checked and put in order here, so
//! that what follows only carries out. Changes nothing in the world.
const std = @import("std");
const sys = @import("sys.zig");
const contract = @import("contract.zig");
const userns = @import("userns.zig");
const cgroup = @import("cgroup/cgroup.zig");
const rootfs = @import("rootfs/root.zig");
const mounts = @import("rootfs/mounts.zig");
const notify = @import("monitor/notify.zig");
const child = @import("process/child.zig");
const namespaces = @import("process/namespaces.zig");
const scheduling = @import("process/scheduling.zig");
const links = @import("net/link.zig");
const networks = @import("net/config.zig");
const linux = sys.linux;

pub const Container = struct { helper: contract.Helper, plan: child.Plan };

pub fn load(arena: std.mem.Allocator, directory: [:0]const u8) sys.Error!Container {
    return loadFor(arena, directory, .its_program);
}

/// For those who only want its files nothing has to be there that its program needs (a reboot takes secrets away).
pub fn loadFor(
    arena: std.mem.Allocator,
    directory: [:0]const u8,
    purpose: enum { its_program, its_files },
) sys.Error!Container {
    var helper = try contract.load(contract.Helper, arena, directory, "helper.json");
    if (purpose == .its_files) helper.joinsNetworkOwner = false; // whose network may be gone
    try contract.expectVersion(helper.contract);
    const spec = arena.create(contract.Spec) catch return outOfMemory();
    spec.* = try contract.load(contract.Spec, arena, directory, "config.json");
    if (purpose == .its_program) {
        if (helper.environmentFile) |path| try addVariables(arena, &spec.process, path);
    }
    var container: Container = .{ .helper = helper, .plan = try planOf(arena, spec, &helper) };
    container.plan.cgroup.has_monitor = !notify.isFollowed(helper.notify);
    return container;
}

/// "KEY=value" of a file of them, each with a zero byte after it (helper.json's `environmentFile`).
pub fn readVariables(arena: std.mem.Allocator, path: [:0]const u8) sys.Error![]const [:0]const u8 {
    return splitVariables(arena, try contract.readFile(arena, path)) catch outOfMemory();
}

fn splitVariables(arena: std.mem.Allocator, text: []const u8) error{OutOfMemory}![]const [:0]const u8 {
    var result: std.ArrayList([:0]const u8) = .empty;
    var rest = text;
    while (std.mem.indexOfScalar(u8, rest, 0)) |end| : (rest = rest[end + 1 ..]) {
        try result.append(arena, rest[0..end :0]);
    }
    return result.items;
}

/// In the stead of those that have the same names.
pub fn addVariables(arena: std.mem.Allocator, process: *contract.Process, path: [:0]const u8) sys.Error!void {
    const added = try readVariables(arena, path);
    process.env = withVariables(arena, process.env, added) catch return outOfMemory();
}

fn withVariables(
    arena: std.mem.Allocator,
    env: []const [:0]const u8,
    added: []const [:0]const u8,
) error{OutOfMemory}![]const [:0]const u8 {
    var result: std.ArrayList([:0]const u8) = .empty;
    try result.appendSlice(arena, added);
    for (env) |variable| {
        if (!isNamed(added, variable)) try result.append(arena, variable);
    }
    return result.items;
}

/// Whether `variable` has the name of one of them.
pub fn isNamed(variables: []const [:0]const u8, variable: []const u8) bool {
    for (variables) |other| {
        if (std.mem.eql(u8, nameOf(variable), nameOf(other))) return true;
    }
    return false;
}

fn nameOf(variable: []const u8) []const u8 {
    return variable[0 .. std.mem.indexOfScalar(u8, variable, '=') orelse variable.len];
}

test "withVariables() replaces those of the same name" {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const added = try splitVariables(arena_state.allocator(), "A=3\x00C=4\x00half");
    const env = try withVariables(arena_state.allocator(), &.{ "A=1", "AB=2", "C" }, added);
    try std.testing.expectEqual(@as(usize, 3), env.len);
    for ([_][]const u8{ "A=3", "C=4", "AB=2" }, env) |wanted, variable| try std.testing.expectEqualStrings(wanted, variable);
}

/// `spec` must live as long as the plan.
pub fn planOf(arena: std.mem.Allocator, spec: *const contract.Spec, helper: *const contract.Helper) sys.Error!child.Plan {
    const config = &spec.linux;
    try refuseUnsupported(spec);
    var spaces = try namespaces.prepare(arena, config);
    if (helper.joinsNetworkOwner) try namespaces.joinOwner(arena, &spaces);
    if ((spec.hostname != null or spec.domainname != null) and !spaces.has(.uts)) {
        return sys.fail("namespaces", "a host name needs a uts namespace: it would be the host's own");
    }
    var plan: child.Plan = .{
        .maps = if (spaces.makes(linux.CLONE.NEWUSER)) try mapsOf(arena, config, helper.idMapTools) else null,
        .namespaces = spaces,
        .root = try rootfs.prepare(arena, spec, helper.rootfs, &spaces),
        .program = try .prepare(arena, &spec.process, helper.user),
        .hostname = spec.hostname,
        .domainname = spec.domainname,
        .sysctls = try sysctlsOf(arena, config, &spaces),
        .console_size = null,
        .init = helper.init,
        .own_path = if (helper.init) try ownPath(arena) else "",
        .cgroup = try cgroup.prepare(arena, if (config.resources) |*resources| resources else null, .{
            .manager = helper.cgroup.manager,
            .path = config.cgroupsPath,
            .parent = helper.cgroup.parent,
            .is_split = helper.cgroup.isSplit,
            .id = helper.id,
        }),
    };
    if (spec.process.consoleSize) |size| plan.console_size = .{ .rows = size.height, .columns = size.width };
    // What is started again, by its policy or by "restart", finds what it has written (rootfs/overlay.zig, allowAgain).
    plan.root.is_volatile = helper.autoRemove;
    const subpaths = &helper.mountSubpaths.map;
    mounts.addSubpaths(plan.root.operations, subpaths.keys(), subpaths.values());
    if (spaces.joins(.user) or (plan.maps != null and isStranger(config))) try rootfs.prepareEarly(arena, &plan.root);
    plan.network_tool = if (helper.networkTool) |*tool| tool else null;
    if (helper.network) |*network| plan.network = try networkOf(arena, network, helper, &spaces);
    if (helper.networks) |entries| plan.networks = try networksOf(arena, entries, helper, &spaces);
    plan.program.creates_cwd = helper.createCwd;
    plan.program.group_names = helper.groups;
    plan.program.keeps_groups = helper.keepGroups;
    if (config.seccomp) |*profile| plan.program.seccomp = profile;
    plan.program.seccomp_cache = helper.seccompCache;
    plan.program.told = .{ .id = helper.id, .bundle = helper.containerDir, .annotations = spec.annotations };
    try scheduling.addLinux(&plan.program.scheduling, config.personality, config.memoryPolicy);
    _ = try scheduling.Affinity.parse(spec.process.execCPUAffinity); // not the first process's, but it must make sense
    return plan;
}

fn networkOf(
    arena: std.mem.Allocator,
    network: *const networks.Network,
    helper: *const contract.Helper,
    spaces: *const namespaces.Plan,
) sys.Error!child.Network {
    if (!spaces.makes(linux.CLONE.NEWNET)) return sys.fail("network", "the network namespace is not the container's own");
    _ = try networks.tapOf(network);
    const asked = arena.create(networks.Network) catch return outOfMemory();
    asked.* = network.*;
    return .{ .link = try networks.linkOf(network), .asked = asked, .directory = helper.containerDir };
}

fn networksOf(
    arena: std.mem.Allocator,
    entries: []const networks.Entry,
    helper: *const contract.Helper,
    spaces: *const namespaces.Plan,
) sys.Error!child.Networks {
    if (!spaces.makes(linux.CLONE.NEWNET)) return sys.fail("network", "the network namespace is not the container's own");
    if (entries.len > networks.entries_max) {
        return sys.failFormat("network", "a container can be on {d} networks, not {d}", .{ networks.entries_max, entries.len });
    }
    const made = arena.alloc(links.Link, entries.len) catch return outOfMemory();
    for (entries, made) |*entry, *link| {
        _ = try networks.tapOfEntry(entry);
        link.* = try networks.linkOfEntry(entry);
    }
    return .{ .links = made, .entries = entries, .runtime_dir = helper.runtimeDir };
}

/// What the specification has, and this runtime has not.
fn refuseUnsupported(spec: *const contract.Spec) sys.Error!void {
    if (!std.mem.startsWith(u8, spec.ociVersion, "1.")) {
        return sys.failFormat("config.json", "ociVersion \"{s}\" is not supported: this runtime knows 1.x", .{spec.ociVersion});
    }
    if (spec.annotations.map.contains("")) return sys.fail("config.json", "annotations has an empty key");
    if (spec.linux.intelRdt != null) return sys.fail("config.json", "linux.intelRdt is not supported");
    if (spec.linux.netDevices.map.count() > 0) {
        return sys.fail("config.json", "linux.netDevices: moving the host's network devices is not supported");
    }
}

/// Where the file we run from lies; "" when it was deleted or never had a name.
fn ownPath(arena: std.mem.Allocator) sys.Error![:0]const u8 {
    var buffer: [linux.PATH_MAX]u8 = undefined;
    const name = "/proc/self/exe";
    const length = try sys.check("readlink", name, linux.readlink(name, &buffer, buffer.len));
    return arena.dupeZ(u8, buffer[0..length]) catch return outOfMemory();
}

/// Whether the container's map has no word for the caller: then its root may not go where the caller may.
fn isStranger(config: *const contract.Linux) bool {
    return !hasHostId(config.uidMappings, linux.geteuid()) or !hasHostId(config.gidMappings, linux.getegid());
}

fn hasHostId(mappings: []const userns.Mapping, id: u32) bool {
    for (mappings) |m| if (id >= m.hostID and id - m.hostID < m.size) return true;
    return false;
}

fn mapsOf(arena: std.mem.Allocator, config: *const contract.Linux, tools: ?userns.Tools) sys.Error!userns.Plan {
    try userns.expectMaps("namespaces", config.uidMappings, config.gidMappings);
    return userns.Plan.prepare(arena, .{
        .uid = config.uidMappings,
        .gid = config.gidMappings,
        .tools = tools,
    }) catch return outOfMemory();
}

/// Only what belongs to a namespace of the container: anything else would be the host's.
fn sysctlsOf(
    arena: std.mem.Allocator,
    config: *const contract.Linux,
    spaces: *const namespaces.Plan,
) sys.Error![]const child.Sysctl {
    const map = &config.sysctl.map;
    const sysctls = arena.alloc(child.Sysctl, map.count()) catch return outOfMemory();
    for (map.keys(), map.values(), sysctls) |key, value, *sysctl| {
        const path = std.fmt.allocPrintSentinel(arena, "sys/{s}", .{key}, 0) catch return outOfMemory();
        const name = path["sys/".len..];
        unifySeparators(name);
        const kind = ownerOf(name) orelse
            return sys.failFormat("sysctl", "{s} does not belong to a namespace of a container", .{key});
        if (!spaces.has(kind)) return sys.failFormat("sysctl", "{s} needs a {t} namespace of the container", .{ key, kind });
        sysctl.* = .{ .kind = kind, .path = path, .value = value };
    }
    return sysctls;
}

/// "net.ipv4.conf.eth0/7.forwarding" and "net/ipv4/conf/eth0.7/forwarding" are the same file (sysctl(8)): the first
/// separator is the separator, and the other one, inside a name, stands for it.
fn unifySeparators(name: []u8) void {
    const first = std.mem.indexOfAny(u8, name, "./") orelse return;
    if (name[first] == '/') return;
    for (name) |*byte| byte.* = switch (byte.*) {
        '.' => '/',
        '/' => '.',
        else => |other| other,
    };
}

fn ownerOf(name: []const u8) ?contract.NamespaceKind {
    var parts = std.mem.splitScalar(u8, name, '/');
    while (parts.next()) |part| {
        if (part.len == 0 or std.mem.eql(u8, part, ".") or std.mem.eql(u8, part, "..")) return null;
    }
    const exact = std.StaticStringMap(contract.NamespaceKind).initComptime(.{
        .{ "kernel/msgmax", .ipc },     .{ "kernel/msgmnb", .ipc }, .{ "kernel/msgmni", .ipc }, .{ "kernel/sem", .ipc },
        .{ "kernel/shmall", .ipc },     .{ "kernel/shmmax", .ipc }, .{ "kernel/shmmni", .ipc }, .{ "kernel/shm_rmid_forced", .ipc },
        .{ "kernel/domainname", .uts },
    });
    if (exact.get(name)) |kind| return kind;
    if (std.mem.startsWith(u8, name, "net/")) return .network;
    if (std.mem.startsWith(u8, name, "fs/mqueue/")) return .ipc;
    if (std.mem.startsWith(u8, name, "user/")) return .user; // how many namespaces may be made inside
    return null;
}

fn outOfMemory() sys.Error {
    return sys.fail("prepare", "out of memory");
}

test "sysctls of the host are refused" {
    try std.testing.expectEqual(contract.NamespaceKind.network, ownerOf("net/ipv4/ip_forward").?);
    try std.testing.expectEqual(contract.NamespaceKind.ipc, ownerOf("kernel/shmmax").?);
    for ([_][]const u8{ "kernel/core_pattern", "vm/overcommit_memory", "net/../kernel/x", "net//x", "net", "net/", "/net/x" }) |bad| {
        try std.testing.expect(ownerOf(bad) == null);
    }
}

test "sysctls are spelled with dots or with slashes" {
    const cases = [_][2][]const u8{
        .{ "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
        .{ "net.ipv4.conf.eth0/7.forwarding", "net/ipv4/conf/eth0.7/forwarding" },
        .{ "net/ipv4/conf/eth0.7/forwarding", "net/ipv4/conf/eth0.7/forwarding" },
        .{ "net", "net" },
    };
    var buffer: [64]u8 = undefined;
    for (cases) |case| {
        const name = buffer[0..case[0].len];
        @memcpy(name, case[0]);
        unifySeparators(name);
        try std.testing.expectEqualStrings(case[1], name);
    }
    for ([_][]const u8{ "net.../../kernel.x", "net/../kernel", "net.//.kernel", "/net/x", ".net.x", "" }) |hostile| {
        const name = buffer[0..hostile.len];
        @memcpy(name, hostile);
        unifySeparators(name);
        try std.testing.expect(ownerOf(name) == null);
    }
}

/// Something of everything, for those who damage it.
const rich_config =
    \\{"ociVersion":"1.2.0","process":{"user":{"uid":0,"gid":0,"umask":18,"additionalGids":[1,2]},"args":["sh","-c"],
    \\"env":["A=b","HOME=/"],"cwd":"/","capabilities":{"bounding":["CAP_KILL","CAP_X"],"ambient":[]},"oomScoreAdj":1,
    \\"rlimits":[{"type":"RLIMIT_NOFILE","soft":1,"hard":2}],"scheduler":{"policy":"SCHED_FIFO","priority":3},
    \\"ioPriority":{"class":"IOPRIO_CLASS_BE","priority":3},"execCPUAffinity":{"initial":"0-3,7","final":"1"},
    \\"apparmorProfile":"a","selinuxLabel":"b:c","consoleSize":{"height":1,"width":2}},"root":{"path":"/r"},"hostname":"h",
    \\"mounts":[{"destination":"/proc","type":"proc"},{"destination":"/d","source":"/s","options":["rbind","ro","rslave"],
    \\"uidMappings":[{"containerID":0,"hostID":1,"size":1}],"gidMappings":[{"containerID":0,"hostID":1,"size":1}]},
    \\{"destination":"/t","type":"tmpfs","options":["size=1k","tmpcopyup"]},{"destination":"/t","options":["remount"]}],
    \\"annotations":{"a":"b"},
    \\"linux":{"namespaces":[{"type":"mount"},{"type":"user"},{"type":"uts"},{"type":"network","path":"/n"},{"type":"time"}],
    \\"uidMappings":[{"containerID":0,"hostID":1000,"size":1}],"gidMappings":[{"containerID":0,"hostID":1000,"size":1}],
    \\"timeOffsets":{"monotonic":{"secs":-5,"nanosecs":3}},"devices":[{"path":"/dev/x","type":"c","major":1,"minor":3}],
    \\"sysctl":{"net.ipv4.ip_forward":"1"},"maskedPaths":["/proc/x"],"readonlyPaths":["/proc/y"],"mountLabel":"l",
    \\"rootfsPropagation":"slave","personality":{"domain":"LINUX32"},"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0-1"},
    \\"resources":{"memory":{"limit":1048576,"swap":-1},"cpu":{"shares":2,"cpus":"0"},"pids":{"limit":3},
    \\"unified":{"memory.high":"5"},"devices":[{"allow":false,"access":"rwm"}]},"cgroupsPath":"/c",
    \\"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":1,
    \\"args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}}}
;

fn planOrRefuse(text: []const u8) !void {
    var arena_state: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena_state.deinit();
    const arena = arena_state.allocator();
    sys.failure = null;
    const helper: contract.Helper = .{
        .contract = contract.contract_version,
        .id = "x",
        .runtimeDir = "/r",
        .containerDir = "/c",
        .trashDir = "/t",
        .rootfs = .{ .kind = .directory },
    };
    const spec = contract.parse(contract.Spec, arena, "config.json", text) catch return expectSentence();
    const plan = planOf(arena, &spec, &helper) catch return expectSentence();
    const profile = plan.program.seccomp orelse return;
    _ = profile.decode(arena) catch return expectSentence();
}

fn expectSentence() !void {
    const failure = sys.failure orelse return error.TestUnexpectedResult;
    try std.testing.expect(failure.call.len > 0 and failure.detail.len > 0);
}

test "fuzz: whatever config.json says, there is a plan or a sentence" {
    try planOrRefuse(rich_config);
    try std.testing.expect(sys.failure == null);
    try std.testing.fuzz({}, struct {
        fn one(_: void, smith: *std.testing.Smith) !void {
            var buffer: [4096]u8 = undefined;
            try planOrRefuse(buffer[0..smith.slice(&buffer)]);
        }
    }.one, .{ .corpus = &.{rich_config} });
}

test "two thousand damages to config.json: a plan or a sentence" {
    var random_state: std.Random.DefaultPrng = .init(20);
    const random = random_state.random();
    const alphabet = "\x00\n\"\\{}[]:,/-+.019eEtfn\xff ";
    var text: [rich_config.len]u8 = undefined;
    for (0..2000) |_| {
        @memcpy(&text, rich_config);
        for (0..1 + random.uintLessThan(usize, 4)) |_| {
            text[random.uintLessThan(usize, text.len)] = alphabet[random.uintLessThan(usize, alphabet.len)];
        }
        try planOrRefuse(text[0 .. text.len - random.uintLessThan(usize, 8) / 7 * random.uintLessThan(usize, text.len)]);
    }
}
