//! The helper's verb table: `tspod native VERB ...`. Every verb is one room with `pub fn run(args, environ) u8`; so is
//! the OCI runtime, `tspod oci VERB ...` or a file called tspod-oci.
//!
//! The same table is linked into three files: the development helper (this main), the outer launcher and the fused
//! Bun executable. In the fused one `dispatch` runs before any dynamic linker, libc or thread-local storage exists:
//! nothing reachable from it may use them (page_allocator and raw system calls are fine).
const std = @import("std");
const sys = @import("sys.zig");
const ourselves = @import("process/ourselves.zig");
const oci = @import("oci/oci.zig");

pub const Argument = [*:0]const u8;
pub const Environment = [*:null]const ?[*:0]const u8;

pub const std_options: std.Options = .{ .signal_stack_size = null, .enable_segfault_handler = false };

const Verb = struct { name: []const u8, run: *const fn ([]const Argument, Environment) u8 };

const verbs = [_]Verb{
    .{ .name = "true", .run = runTrue },
    .{ .name = "exit", .run = runExit },
    .{ .name = "apply", .run = @import("layer/layer.zig").apply.run },
    .{ .name = "remove", .run = @import("layer/layer.zig").remove.run },
    .{ .name = "remap", .run = @import("layer/layer.zig").remap.run },
    .{ .name = "own", .run = @import("layer/layer.zig").own.run },
    .{ .name = "spread", .run = @import("layer/layer.zig").spread.run },
    .{ .name = "give", .run = @import("layer/layer.zig").give.run },
    .{ .name = "seed", .run = @import("layer/layer.zig").seed.run },
    .{ .name = "copy", .run = @import("layer/layer.zig").copy.run },
    .{ .name = "unzstd", .run = @import("unzstd.zig").run },
    .{ .name = "files", .run = @import("tree/tree.zig").run },
    .{ .name = "run", .run = @import("run.zig").run },
    .{ .name = "exec", .run = @import("exec.zig").run },
    .{ .name = "health", .run = @import("health.zig").run },
    .{ .name = "attach", .run = @import("attach.zig").run },
    .{ .name = "log", .run = @import("show_log.zig").run },
    .{ .name = "update", .run = @import("update.zig").run },
    .{ .name = "ports", .run = @import("ports.zig").run },
    .{ .name = "probe", .run = @import("probe.zig").run },
    .{ .name = "net", .run = @import("net.zig").run },
    .{ .name = "network", .run = @import("network.zig").run },
    .{ .name = "unshare", .run = @import("unshare.zig").run },
    .{ .name = "mount", .run = @import("mount.zig").run },
    .{ .name = "unmount", .run = @import("mount.zig").runUnmount },
    .{ .name = "init", .run = @import("process/init.zig").run },
};

const exit_usage = 125;

/// Null: this command line is not native, start the TypeScript side. Otherwise the exit status.
pub fn dispatch(argv: []const Argument, environ: Environment) ?u8 {
    @import("cgroup/cgroup.zig").environ.* = environ;
    ourselves.argv = argv;
    ourselves.environ = environ;
    if (argv.len >= 1 and isRuntime(std.mem.span(argv[0]))) return oci.run(argv[1..], environ);
    if (argv.len < 2) return null;
    if (std.mem.eql(u8, std.mem.span(argv[1]), "oci")) return oci.run(argv[2..], environ);
    if (!std.mem.eql(u8, std.mem.span(argv[1]), "native")) return null;
    if (argv.len >= 3) {
        const wanted = std.mem.span(argv[2]);
        for (verbs) |verb| {
            if (std.mem.eql(u8, verb.name, wanted)) return verb.run(argv[3..], environ);
        }
    }
    sys.writeAll(2, "tspod: unknown native verb: this command is for tspod itself\n") catch {};
    return exit_usage;
}

/// Engines know a runtime by the name of its file.
fn isRuntime(name: []const u8) bool {
    return std.mem.eql(u8, std.fs.path.basename(name), "tspod-oci");
}

pub fn main(init: std.process.Init.Minimal) u8 {
    return dispatch(init.args.vector, init.environ.block.slice.ptr) orelse exit_usage;
}

/// Does nothing: the floor that a benchmark measures.
fn runTrue(_: []const Argument, _: Environment) u8 {
    return 0;
}

/// `exit STATUS`: what the TypeScript side becomes to end without the work its runtime does at exit.
fn runExit(args: []const Argument, _: Environment) u8 {
    if (args.len != 1) return exit_usage;
    return std.fmt.parseInt(u8, std.mem.span(args[0]), 10) catch exit_usage;
}

test {
    _ = sys;
    _ = oci;
    _ = @import("userns.zig");
    _ = @import("layer/layer.zig");
    _ = @import("tree/tree.zig");
    _ = @import("contract.zig");
    _ = @import("runtime_spec.zig");
    _ = @import("json/reader.zig");
    _ = @import("json/decode.zig");
    _ = @import("cgroup/cgroup.zig");
    _ = @import("event.zig");
    _ = @import("rootfs/root.zig");
    _ = @import("rootfs/early.zig");
    _ = @import("rootfs/shared_memory.zig");
    _ = @import("rootfs/fuse.zig");
    _ = @import("rootfs/moved.zig");
    _ = @import("procfs.zig");
    _ = @import("process/namespaces.zig");
    _ = @import("process/caps.zig");
    _ = @import("process/scheduling.zig");
    _ = @import("process/labels.zig");
    _ = @import("process/rlimits.zig");
    _ = @import("process/space.zig");
    _ = @import("process/descriptors.zig");
    _ = @import("process/user.zig");
    _ = @import("process/seccomp_test.zig");
    _ = @import("process/filter_cache.zig");
    _ = @import("process/listener.zig");
    _ = @import("process/lookup.zig");
    _ = @import("process/hooks.zig");
    _ = @import("monitor/footprint.zig");
    _ = @import("monitor/log.zig");
    _ = @import("monitor/cri.zig");
    _ = @import("monitor/json_log.zig");
    _ = @import("monitor/journal.zig");
    _ = @import("monitor/bytes.zig");
    _ = @import("monitor/frame.zig");
    _ = @import("monitor/pipes.zig");
    _ = @import("monitor/clock.zig");
    _ = @import("monitor/control.zig");
    _ = @import("monitor/record.zig");
    _ = @import("monitor/at_rest.zig");
    _ = @import("monitor/remove.zig");
    _ = @import("monitor/stragglers.zig");
    _ = @import("monitor/timers.zig");
    _ = @import("monitor/restart.zig");
    _ = @import("monitor/after.zig");
    _ = @import("monitor/events.zig");
    _ = @import("monitor/health.zig");
    _ = @import("monitor/notify.zig");
    _ = @import("health.zig");
    _ = @import("net/dns/dns.zig");
    _ = @import("net/dhcp.zig");
    _ = @import("net/ndp.zig");
    _ = @import("net/egress.zig");
    _ = @import("client/detach.zig");
    _ = @import("client/repeats.zig");
    _ = @import("prepare.zig");
    _ = @import("attach.zig");
    _ = @import("show_log.zig");
    _ = @import("update.zig");
    _ = @import("foreign/bundle.zig");
    _ = @import("foreign/command.zig");
    _ = @import("foreign/execution.zig");
    _ = @import("foreign/failure.zig");
    _ = @import("foreign/handle.zig");
    _ = @import("foreign/plan.zig");
    _ = @import("net/address.zig");
    _ = @import("net/packet.zig");
    _ = @import("net/checksum.zig");
    _ = @import("net/burst.zig");
    _ = @import("net/train.zig");
    _ = @import("net/udp_test.zig");
    _ = @import("net/frame.zig");
    _ = @import("net/tap.zig");
    _ = @import("net/pool.zig");
    _ = @import("net/host.zig");
    _ = @import("net/interfaces.zig");
    _ = @import("net/config.zig");
    _ = @import("net/publish.zig");
    _ = @import("net/resolver.zig");
    _ = @import("net/questions.zig");
    _ = @import("net/pace.zig");
    _ = @import("net/fragments.zig");
    _ = @import("net/cage.zig");
    _ = @import("net/live.zig");
    _ = @import("net/splice.zig");
    _ = @import("net/tcp/hostile_test.zig");
    _ = @import("net/tcp/crowd_test.zig");
    _ = @import("net/neighbours.zig");
    _ = @import("net/switch.zig");
    _ = @import("net/names.zig");
    _ = @import("net/members.zig");
}
