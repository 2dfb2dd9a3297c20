//! The helper's verbs as one object file for stub.zig. It is compiled without libc, so that std uses raw system calls
//! also where the file it becomes part of has a libc: that one is not running yet when the verbs do.
const std = @import("std");
const helper = @import("helper");
const linux = std.os.linux;

pub const std_options = helper.std_options;

/// -1: not a native command line. Otherwise the exit status.
export fn tspod_native(
    argc: usize,
    argv: [*]const helper.Argument,
    environ: helper.Environment,
    auxiliary: [*]std.elf.Auxv,
) c_int {
    linux.elf_aux_maybe = auxiliary;
    return helper.dispatch(argv[0..argc], environ) orelse -1;
}

/// Of a process that goes on where another was, or on a stack of its own.
export fn tspod_use_auxiliary(auxiliary: [*]std.elf.Auxv) void {
    linux.elf_aux_maybe = auxiliary;
}

/// Where std finds the page size and the vDSO. libc's own would look into what it has not initialised yet; it does
/// the same for Bun later on.
export fn getauxval(kind: usize) usize {
    const auxiliary = linux.elf_aux_maybe orelse return 0;
    var i: usize = 0;
    while (auxiliary[i].a_type != std.elf.AT_NULL) : (i += 1) {
        if (auxiliary[i].a_type == kind) return auxiliary[i].a_un.a_val;
    }
    return 0;
}
