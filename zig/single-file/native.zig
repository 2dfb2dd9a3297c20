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
    linux.elf_aux_maybe = auxiliary; // where std finds the page size and the vDSO
    return helper.dispatch(argv[0..argc], environ) orelse -1;
}
