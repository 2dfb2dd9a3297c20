//! One module, one executable, steps check/test/fmt. The release's single file is put together by build.ts.
const std = @import("std");
const single_file = @import("single-file/steps.zig");

pub fn build(b: *std.Build) void {
    const target = b.standardTargetOptions(.{ .default_target = .{ .abi = .musl } }); // static, no libc needed
    const optimize = b.option(std.builtin.OptimizeMode, "optimize", "Optimisation mode") orelse .ReleaseSmall;
    const filters = b.option([]const []const u8, "test-filter", "Only run tests whose name contains this") orelse &.{};

    const options = b.addOptions(); // becomes @import("config")
    options.addOption([]const u8, "version", b.option([]const u8, "version", "Version string") orelse "0.0.0-dev");

    const zstd = single_file.zstdModule(b, target, .ReleaseFast); // small does not pay here
    const root = b.createModule(.{
        .root_source_file = b.path("src/main.zig"),
        .target = target,
        .optimize = optimize,
        .single_threaded = true,
        .strip = optimize != .Debug,
        .imports = &.{ .{ .name = "config", .module = options.createModule() }, .{ .name = "zstd", .module = zstd } },
    });

    const exe = b.addExecutable(.{ .name = "tspod-helper", .root_module = root });
    exe.stack_size = 65536; // a larger stack would have Zig's start code raise RLIMIT_STACK for all children
    b.installArtifact(exe);

    const hello_root = b.createModule(.{
        .root_source_file = b.path("src/hello.zig"),
        .target = target,
        .optimize = optimize,
        .single_threaded = true,
        .strip = optimize != .Debug,
    });
    const hello = b.addExecutable(.{ .name = "hello", .root_module = hello_root });
    const install_hello = b.addInstallArtifact(hello, .{});
    b.getInstallStep().dependOn(&install_hello.step);
    b.step("hello", "Build the program of the built-in image").dependOn(&install_hello.step);

    const check = b.step("check", "Type-check without code generation");
    check.dependOn(&b.addExecutable(.{ .name = "check", .root_module = root }).step);

    const test_step = b.step("test", "Run unit tests");
    for ([_]*std.Build.Module{ root, hello_root, single_file.zstdModule(b, target, .Debug) }) |module| {
        const tests = b.addTest(.{ .root_module = module, .filters = filters });
        test_step.dependOn(&b.addRunArtifact(tests).step);
    }

    single_file.add(b, .{ .helper = root, .zstd = zstd, .target = target, .optimize = optimize, .test_step = test_step });

    const fmt = b.addFmt(.{ .paths = &.{ "build.zig", "src", "single-file" }, .check = true });
    b.step("fmt", "Check formatting").dependOn(&fmt.step);
}
