//! `native files VERB [options]`: everything that reads or writes a container's files from outside (cp, export, commit,
//! diff, ps --size). The verbs answer with JSON lines: on standard output, or, where an archive goes there, on
//! descriptor 3. The door of this room.
//!
//! `copy OPTIONS -- OPTIONS` is send and receive at once, with a pipe between them: nobody else touches the bytes.
const std = @import("std");
const sys = @import("../sys.zig");
const layer = @import("../layer/layer.zig");
const words = @import("words.zig");
const changes = @import("changes.zig");
const compare = @import("compare.zig");
const look = @import("look.zig");
const receive = @import("receive.zig");
const send = @import("send.zig");
const size = @import("size.zig");
const linux = sys.linux;

pub const hold = @import("place.zig").hold;

const answers: linux.fd_t = 3;
/// As large as an ordinary user may make it (pipe(7), pipe-max-size).
const pipe_bytes = 1 << 20;

const Verb = struct {
    name: []const u8,
    run: *const fn (std.mem.Allocator, *const words.Options) u8,
    answers_apart: bool = false,
};

const verbs = [_]Verb{
    .{ .name = "send", .run = send.Sender.run, .answers_apart = true },
    .{ .name = "receive", .run = receive.Receiver.run, .answers_apart = true },
    .{ .name = "copy", .run = copy, .answers_apart = true },
    .{ .name = "stat", .run = look.run },
    .{ .name = "size", .run = size.run },
    .{ .name = "changes", .run = changes.run },
    .{ .name = "compare", .run = compare.run },
    .{ .name = "pause", .run = @import("pause.zig").run },
};

pub fn run(args: []const [*:0]const u8, _: [*:null]const ?[*:0]const u8) u8 {
    if (args.len == 0) return layer.reply.usage("files");
    var arena_state: std.heap.ArenaAllocator = .init(std.heap.page_allocator);
    const arena = arena_state.allocator();
    for (verbs) |verb| if (std.mem.eql(u8, verb.name, std.mem.span(args[0]))) {
        if (verb.answers_apart) layer.reply.descriptor = answers;
        const options = words.parse(arena, args[1..]) catch return layer.reply.usage("files");
        return verb.run(arena, &options);
    };
    return layer.reply.usage("files");
}

/// The receiver's status, or the sender's when that is the one that failed.
fn copy(arena: std.mem.Allocator, from: *const words.Options) u8 {
    const to = words.parse(arena, from.rest) catch return layer.reply.usage("files");
    return join(arena, from, &to) catch |err| layer.reply.refused("", err);
}

fn join(arena: std.mem.Allocator, from: *const words.Options, to: *const words.Options) sys.Error!u8 {
    var pipe: [2]linux.fd_t = undefined;
    _ = try sys.check("pipe2", "", linux.pipe2(&pipe, .{ .CLOEXEC = true }));
    const set_pipe_size = 1031; // F_SETPIPE_SZ
    _ = linux.fcntl(pipe[1], set_pipe_size, pipe_bytes);
    const sender = try start(pipe, 1);
    if (sender == 0) linux.exit_group(send.Sender.run(arena, from));
    const receiver = try start(pipe, 0);
    if (receiver == 0) linux.exit_group(receive.Receiver.run(arena, to));
    for (pipe) |fd| _ = linux.close(fd);
    const received = try sys.waitExit(receiver);
    const sent = try sys.waitExit(sender);
    return @intCast(@min(if (received != 0) received else sent, 255));
}

/// 0 in the child, whose descriptor `end` is that end of the pipe.
fn start(pipe: [2]linux.fd_t, end: u1) sys.Error!linux.pid_t {
    const pid: linux.pid_t = @intCast(try sys.check("fork", "", linux.fork()));
    if (pid != 0) return pid;
    _ = linux.prctl(@intFromEnum(linux.PR.SET_PDEATHSIG), @intFromEnum(linux.SIG.KILL), 0, 0, 0);
    _ = linux.dup3(pipe[end], end, 0);
    for (pipe) |fd| _ = linux.close(fd);
    return 0;
}

test {
    _ = @import("holes.zig");
    _ = @import("place.zig");
    _ = @import("writer.zig");
    _ = words;
    _ = changes;
    _ = compare;
    _ = look;
    _ = receive;
    _ = send;
    _ = size;
}
