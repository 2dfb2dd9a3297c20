//! A stack at an address of our own choice, for a process that is to be written into a file: the kernel chooses another
//! place each time.
const std = @import("std");
const elf = std.elf;
const linux = std.os.linux;

/// Below what the kernel maps, above what Bun's allocator asks for.
const address = 0x6f00_0000_0000;
const size = 8 << 20;

pub const Copy = struct { stack: [*]usize, auxiliary: [*]elf.Auxv };

/// What the kernel has put onto `stack`, with everything that it points to. Null: there is no room for it.
pub fn copy(stack: [*]usize, environ: [*]const usize, auxiliary: [*]const elf.Auxv) ?Copy {
    const flags: linux.MAP = .{ .TYPE = .PRIVATE, .ANONYMOUS = true, .NORESERVE = true, .FIXED_NOREPLACE = true };
    const rc = linux.mmap(@ptrFromInt(address), size, .{ .READ = true, .WRITE = true }, flags, -1, 0);
    if (linux.errno(rc) != .SUCCESS or rc != address) return null;

    var count: usize = 0; // words up to and with the end of the auxiliary vector
    while (auxiliary[count].a_type != elf.AT_NULL) count += 1;
    const words = (@intFromPtr(&auxiliary[count + 1]) - @intFromPtr(stack)) / 8;

    var texts: Texts = .{ .end = address + size };
    const text_bytes = measure(stack, environ, auxiliary[0..count]);
    const start = (address + size - text_bytes - words * 8) & ~@as(usize, 63);
    if (start < address + size / 2) return null;
    const new: [*]usize = @ptrFromInt(start);
    @memcpy(new[0..words], stack[0..words]);
    const argc = stack[0];
    for (new[1 .. 1 + argc]) |*word| word.* = texts.add(word.*);
    const new_environ = new + 1 + argc + 1;
    var i: usize = 0;
    while (new_environ[i] != 0) : (i += 1) new_environ[i] = texts.add(new_environ[i]);
    const new_auxiliary: [*]elf.Auxv = @ptrCast(new_environ + i + 1);
    for (new_auxiliary[0..count]) |*entry| switch (entry.a_type) {
        elf.AT_PLATFORM, elf.AT_BASE_PLATFORM, elf.AT_EXECFN => entry.a_un.a_val = texts.add(entry.a_un.a_val),
        elf.AT_RANDOM => entry.a_un.a_val = texts.addBytes(@as([*]const u8, @ptrFromInt(entry.a_un.a_val))[0..random_size]),
        elf.AT_SYSINFO_EHDR, elf.AT_SYSINFO => entry.a_type = elf.AT_IGNORE, // the vDSO is elsewhere next time
        else => {},
    };
    return .{ .stack = new, .auxiliary = new_auxiliary };
}

fn measure(stack: [*]const usize, environ: [*]const usize, auxiliary: []const elf.Auxv) usize {
    var sum: usize = 0;
    for (stack[1 .. 1 + stack[0]]) |word| sum += textSize(word);
    var i: usize = 0;
    while (environ[i] != 0) : (i += 1) sum += textSize(environ[i]);
    for (auxiliary) |entry| switch (entry.a_type) {
        elf.AT_PLATFORM, elf.AT_BASE_PLATFORM, elf.AT_EXECFN => sum += textSize(entry.a_un.a_val),
        elf.AT_RANDOM => sum += random_size,
        else => {},
    };
    return sum;
}

fn textSize(word: usize) usize {
    return std.mem.len(@as([*:0]const u8, @ptrFromInt(word))) + 1;
}

const random_size = 16; // getauxval(3)

/// Grows downwards.
const Texts = struct {
    end: usize,

    fn add(texts: *Texts, word: usize) usize {
        return texts.addBytes(@as([*]const u8, @ptrFromInt(word))[0..textSize(word)]);
    }

    fn addBytes(texts: *Texts, bytes: []const u8) usize {
        texts.end -= bytes.len;
        @memcpy(@as([*]u8, @ptrFromInt(texts.end))[0..bytes.len], bytes);
        return texts.end;
    }
};
