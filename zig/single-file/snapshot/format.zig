//! A snapshot is a process of ours that has started Bun and loaded the program, as a file: what later ones begin with.
//! The file is a header of known size, then pages, each run of them as it lies in memory. It lies beside the program
//! that the process was of, and is of one boot: what Bun has found out about kernel and processor is in it.
//!
//! It holds nothing of a user's. What is random in it, addresses and the seeds of hash tables and of Math.random(), is so
//! once in a boot; whoever draws a number that matters asks the kernel, which take.zig makes sure nobody has done yet.
//!
//! launcher (offer.zig) -> file of this boot there: the stub becomes what is in it (resume.zig)
//!                      -> none: a second process starts in the background, and writes one (take.zig)
const std = @import("std");
const linux = std.os.linux;

pub const magic = 0x31304e5344505354; // "TSPDSN01"
pub const page_size = 4096;
pub const boot_id_size = 36;

pub const regions_max = 160;
pub const runs_max = 640;
pub const signals_max = 32;
pub const descriptors_max = 4;

/// Beside the program. A file of size 0 by its own account says that the attempt of this boot has not come to an end, or failed.
pub const name = "snapshot";
pub const temporary = "snapshot.tmp";

/// Environment: the number of the descriptor of a snapshot to go on from; and that this process is to become one.
pub const resume_variable = "TSPOD_SNAPSHOT";
pub const take_variable = "TSPOD_SNAPSHOT_TAKE";
/// The argument with which the program loads all that short commands need, and then asks for `asked_path` (src/cli/snapshot.ts).
pub const take_argument = "__snapshot";
pub const asked_path = "/proc/self/snapshot";

/// The event loop's descriptors are these and the next few, so that those of a user are free.
pub const descriptor_first = 200;
/// The directory, while a snapshot is taken.
pub const directory_descriptor = 250;

/// Not yet for aarch64: nobody has measured it.
pub const is_supported = @import("builtin").cpu.arch == .x86_64;

/// A mapping that a new process does not have yet. Empty but for the runs that lie in it.
pub const Region = extern struct { start: usize, end: usize, protection: u32, reserved: u32 = 0 };

pub const Range = extern struct { start: usize, end: usize };

/// Pages with something in them.
pub const Run = extern struct {
    start: usize,
    end: usize,
    /// In the file.
    offset: u64,
    protection: u32,
    /// The program's own memory, which a new process has; otherwise it lies in a region.
    is_program: u32,
};

pub const Signal = extern struct { number: u32, reserved: u32 = 0, action: KernelAction };

/// struct sigaction as the kernel has it.
pub const KernelAction = extern struct { handler: usize, flags: usize, restorer: usize, mask: u64 };

pub const DescriptorKind = enum(u32) { epoll = 1, eventfd = 2 };
/// `watched`, of epoll: a descriptor that it waits for, with the events and the data that were said; -1: none.
pub const Descriptor = extern struct {
    kind: DescriptorKind,
    number: i32,
    watched: i32 = -1,
    events: u32 = 0,
    data: u64 = 0,
};

/// What the launcher looks at. An attempt that has not come to an end has nothing else, and 0 as the size.
pub const Start = extern struct {
    magic: u64,
    file_size: u64,
    /// Of the boot: /proc/sys/kernel/random/boot_id.
    boot_id: [boot_id_size]u8,
};

pub const Header = extern struct {
    magic: u64,
    file_size: u64,
    boot_id: [boot_id_size]u8,
    region_count: u32,
    run_count: u32,
    signal_count: u32,
    descriptor_count: u32,
    reserved: u32 = 0,
    /// By the clock that only counts.
    taken_ns: u64,
    /// Where the registers were saved.
    stack_pointer: usize,
    thread_pointer: usize,
    /// What the kernel clears when the thread ends, and where libc keeps the thread's number.
    clear_address: usize,
    thread_id_address: usize,
    signal_stack: linux.stack_t,
    regions: [regions_max]Region,
    runs: [runs_max]Run,
    signals: [signals_max]Signal,
    descriptors: [descriptors_max]Descriptor,
};

/// The pages begin here.
pub const header_size = std.mem.alignForward(usize, @sizeOf(Header), page_size);

pub fn readBootId(id: *[boot_id_size]u8) bool {
    const rc = linux.open("/proc/sys/kernel/random/boot_id", .{ .CLOEXEC = true }, 0);
    if (linux.errno(rc) != .SUCCESS) return false;
    const fd: linux.fd_t = @intCast(rc);
    defer _ = linux.close(fd);
    return linux.read(fd, id, id.len) == id.len;
}
