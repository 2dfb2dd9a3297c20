//! A session keyring of its own for a program (keyrings(7)): the keys of the caller's session are not the container's.
//! No namespace hides keys, so nothing else keeps the program from possessing them.
const std = @import("std");
const sys = @import("../sys.zig");
const linux = sys.linux;

/// Kernels without keys have nothing to hide, and whoever forbids the call to us forbids it to the program as well.
pub fn joinNew() sys.Error!void {
    const rc = join();
    switch (linux.errno(rc)) {
        .NOSYS, .PERM => {},
        .DQUOT => try joinAsAnother(),
        else => _ = try sys.check("keyctl", "a new session keyring", rc),
    }
}

fn join() usize {
    const join_session_keyring = 1;
    return linux.syscall2(.keyctl, join_session_keyring, 0);
}

const tries_max = 64;

/// Refused by quota only to who has inherited a session (install_session_keyring_to_cred() of the kernel): the caller's
/// would stay, in a container that may have used up the room itself. Every id has room of its own, and it makes no
/// difference to a keyring's possessor which one owns it. We do not know the ids that are mapped; others are refused.
fn joinAsAnother() sys.Error!void {
    const own = linux.getuid();
    const keep = std.math.maxInt(linux.uid_t);
    for (0..tries_max) |i| {
        const range = @as(u32, 0xffff) >> @intCast(i % 16); // the smaller ones are for small maps
        const id = 1 + random() % range;
        if (linux.errno(linux.setresuid(id, keep, keep)) != .SUCCESS) continue;
        const rc = join();
        _ = try sys.check("setresuid", "back to who we are", linux.setresuid(own, keep, keep));
        if (linux.errno(rc) == .DQUOT) continue;
        _ = try sys.check("keyctl", "a new session keyring", rc);
        return;
    }
    return sys.fail("keyctl", "a new session keyring: the user has no room for more keys " ++
        "(/proc/key-users, /proc/sys/kernel/keys/maxkeys)");
}

fn random() u32 {
    var value: u32 = 0;
    _ = linux.getrandom(@ptrCast(&value), @sizeOf(u32), 0);
    return value;
}
