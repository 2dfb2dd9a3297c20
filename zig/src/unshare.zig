//! `native unshare [map options] PROGRAM [ARGUMENT...]`: becomes a program that is root of a user namespace with this map
//! and has mounts of its own. All else stays the caller's.
//!
//! The maps are written by a child that stays outside, so the program is this very process: signals, the terminal and
//! the exit status need nobody between.
const std = @import("std");
const sys = @import("sys.zig");
const userns = @import("userns.zig");
const lookup = @import("process/lookup.zig");
const linux = sys.linux;

const Argument = [*:0]const u8;
const Environment = [*:null]const ?[*:0]const u8;

const exit_failed = 125;
const exit_forbidden = 126;
const exit_missing = 127;

pub fn run(args: []const Argument, environ: Environment) u8 {
    runIn(args, environ) catch {
        const failure = sys.failure.?;
        const call = failure.call;
        tell(failure);
        if (std.mem.eql(u8, call, "lookup")) return exit_missing;
        return if (std.mem.eql(u8, call, "execve")) exit_forbidden else exit_failed;
    };
    return exit_failed;
}

/// Returns only by failing.
fn runIn(args: []const Argument, environ: Environment) sys.Error!void {
    var arena: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const options = userns.parseOptions(arena.allocator(), args) catch return sys.fail("usage", "an invalid map");
    if (options.rest.len == 0) return sys.fail("usage", "no program");
    const plan = userns.Plan.prepare(arena.allocator(), options.maps) catch return sys.fail("mmap", "no memory");
    const words = arena.allocator().allocSentinel(?Argument, options.rest.len, null) catch return sys.fail("mmap", "no memory");
    for (words, options.rest) |*word, argument| word.* = argument;
    try enter(&plan);
    try userns.becomeRoot(options.maps);
    const program = try lookup.find(std.mem.span(options.rest[0]), variable(environ, "PATH"));
    _ = try sys.check("execve", program, linux.execve(program, words.ptr, environ));
}

fn enter(plan: *const userns.Plan) sys.Error!void {
    var barrier: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe2", "", linux.pipe2(&barrier, .{ .CLOEXEC = true }));
    const own_pid = linux.getpid();
    const child = try sys.check("fork", "", linux.fork());
    if (child == 0) {
        _ = linux.close(barrier[1]);
        var byte: [1]u8 = undefined;
        // nothing comes where the other has failed, which tells of it
        if (linux.read(barrier[0], &byte, 1) != 1) linux.exit_group(exit_failed);
        plan.write(own_pid) catch {
            tell(sys.failure.?);
            linux.exit_group(exit_failed);
        };
        linux.exit_group(0);
    }
    _ = linux.close(barrier[0]);
    _ = try sys.check("unshare", "", linux.unshare(linux.CLONE.NEWUSER | linux.CLONE.NEWNS));
    try sys.writeAll(barrier[1], "g");
    _ = linux.close(barrier[1]);
    if (try sys.waitExit(@intCast(child)) != 0) linux.exit_group(exit_failed);
}

fn variable(environ: Environment, comptime name: []const u8) ?[]const u8 {
    var i: usize = 0;
    while (environ[i]) |entry| : (i += 1) {
        const text = std.mem.span(entry);
        if (std.mem.startsWith(u8, text, name ++ "=")) return text[name.len + 1 ..];
    }
    return null;
}

/// To a person: there is nobody of ours left who could say it better.
fn tell(failure: sys.Failure) void {
    var errno_buffer: [32]u8 = undefined;
    const is_missing = std.mem.eql(u8, failure.call, "lookup");
    const is_forbidden = std.mem.eql(u8, failure.call, "execve");
    const text = if (is_missing)
        sys.format("Error: Cannot find the program \"{s}\"\n  check its name, and PATH\n", .{failure.detail})
    else if (is_forbidden)
        sys.format("Error: Cannot execute \"{s}\" ({s})\n  check its mode\n", .{
            failure.detail, sys.errnoName(failure.errno, &errno_buffer),
        })
    else
        sys.format("Error: Cannot enter a user namespace: {s}: {s} ({s})\n  tspod info tells what this host allows\n", .{
            failure.call, failure.detail, sys.errnoName(failure.errno, &errno_buffer),
        });
    sys.writeAll(2, text) catch {};
}
