//! The build steps of the release's single file: `stub` (linked with musl's libc at a fixed address, see stub.zig),
//! `launcher`, `unzstd` (a test tool) and unit tests. They only compile; zig/single-file/release.ts puts the pieces together.
const std = @import("std");

/// Above Bun, below 2 GB as non-PIC code wants it. fuse.ts checks that nothing overlaps.
const stub_address = 0x1000_0000;

pub const Options = struct {
    test_step: *std.Build.Step,
    helper: *std.Build.Module,
    zstd: *std.Build.Module,
    target: std.Build.ResolvedTarget,
    optimize: std.builtin.OptimizeMode,
};

pub fn add(b: *std.Build, options: Options) void {
    const native = addNative(b, options); // the longest part of a build, so there is one for both
    const launcher = b.step("launcher", "The outer part of the single file");
    launcher.dependOn(&b.addInstallArtifact(addLauncher(b, options, native), .{}).step);
    const unzstd = b.step("unzstd", "The Zstandard decoder as a program, with safety checks, for tests");
    unzstd.dependOn(&b.addInstallArtifact(addUnzstd(b, options), .{}).step);
    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = b.path("single-file/tests.zig"),
        .target = options.target,
        .optimize = .Debug,
    }) });
    options.test_step.dependOn(&b.addRunArtifact(tests).step);
    const stub = b.step("stub", "The part of the single file that Bun is fused with (needs -Dbun)");
    if (b.option([]const u8, "bun", "JSON file with what the stub has to know about Bun")) |path| {
        stub.dependOn(&b.addInstallFile(native.getEmittedBin(), "native.o").step); // for fuse.ts to look at
        stub.dependOn(&b.addInstallArtifact(addStub(b, options, native, readBun(b, path)), .{}).step);
    } else {
        stub.dependOn(&b.addFail("the stub is built by `npm run build:release`, which says -Dbun=FILE").step);
    }
}

/// The launcher without its payload, which pack.ts adds.
fn addLauncher(b: *std.Build, options: Options, native: *std.Build.Step.Compile) *std.Build.Step.Compile {
    const launcher = b.addExecutable(.{ .name = "launcher", .linkage = .static, .root_module = b.createModule(.{
        .root_source_file = b.path("single-file/launcher.zig"),
        .target = options.target,
        .optimize = options.optimize,
        .single_threaded = true,
        .strip = true,
        .imports = &.{.{ .name = "zstd", .module = options.zstd }},
    }) });
    launcher.root_module.addObject(native);
    launcher.stack_size = 65536; // as for the helper
    launcher.pie = false;
    return launcher;
}

fn addUnzstd(b: *std.Build, options: Options) *std.Build.Step.Compile {
    return b.addExecutable(.{ .name = "unzstd", .root_module = b.createModule(.{
        .root_source_file = b.path("single-file/unzstd.zig"),
        .target = options.target,
        .optimize = .ReleaseSafe,
        .single_threaded = true,
        .imports = &.{.{ .name = "zstd", .module = zstdModule(b, options.target, .ReleaseSafe) }},
    }) });
}

pub fn zstdModule(b: *std.Build, target: std.Build.ResolvedTarget, optimize: std.builtin.OptimizeMode) *std.Build.Module {
    return b.createModule(.{
        .root_source_file = b.path("src/zstd/zstd.zig"),
        .target = target,
        .optimize = optimize,
        .single_threaded = true,
    });
}

/// What fuse.ts found in Bun's executable. All but the imports become the stub's `config`.
const Bun = struct {
    imports: []const []const u8,
    entry_address: usize,
    program_headers_address: usize,
    program_headers_count: usize,
    constructors_address: usize,
    constructors_count: usize,
    destructors_address: usize,
    destructors_count: usize,
    environ_address: usize,
    stack_guard_address: usize,
    once_call_offset: isize,
};

fn readBun(b: *std.Build, path: []const u8) Bun {
    const size_max = 1 << 20;
    const text = std.Io.Dir.cwd().readFileAlloc(b.graph.io, path, b.allocator, .limited(size_max)) catch |err|
        std.process.fatal("cannot read {s}: {t}", .{ path, err });
    return std.json.parseFromSliceLeaky(Bun, b.allocator, text, .{}) catch |err|
        std.process.fatal("cannot understand {s}: {t}", .{ path, err });
}

fn addNative(b: *std.Build, options: Options) *std.Build.Step.Compile {
    return b.addObject(.{ .name = "native", .root_module = b.createModule(.{
        .root_source_file = b.path("single-file/native.zig"),
        .target = options.target,
        .optimize = options.optimize,
        .single_threaded = true,
        .strip = true,
        .imports = &.{.{ .name = "helper", .module = options.helper }},
    }) });
}

fn addStub(b: *std.Build, options: Options, native: *std.Build.Step.Compile, bun: Bun) *std.Build.Step.Compile {
    const config = b.addOptions();
    inline for (@typeInfo(Bun).@"struct".fields) |field| {
        if (field.type != []const []const u8) config.addOption(field.type, field.name, @field(bun, field.name));
    }
    const entry = b.addObject(.{
        .name = "entry",
        .root_module = b.createModule(.{
            .root_source_file = b.path("single-file/stub.zig"),
            .target = options.target,
            .optimize = .ReleaseFast,
            .single_threaded = false, // Bun's threads use what is in there
            .strip = true,
            .stack_check = false, // it runs before there is thread-local storage
            .imports = &.{.{ .name = "config", .module = config.createModule() }},
        }),
    });
    const module = b.createModule(.{
        .target = options.target,
        .optimize = .ReleaseFast, // for libc, which holds memcpy and friends
        .single_threaded = false,
        .strip = false, // fuse.ts reads the symbol table
        .link_libc = true,
    });
    module.addObject(native);
    module.addObject(entry);
    const stub = b.addExecutable(.{ .name = "stub", .root_module = module, .linkage = .static });
    stub.entry = .{ .symbol_name = "fuse_start" };
    stub.image_base = stub_address;
    stub.pie = false;
    for (bun.imports) |name| stub.forceUndefinedSymbol(name); // fuse.ts refuses what nothing defines
    return stub;
}
