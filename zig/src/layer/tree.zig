//! A directory that archives are unpacked into, and the only way to its inside: no symbolic link leads out of it.
//!
//! Theory of operation: every access names a parent directory and one last component. The parent is a descriptor from
//! openat2(RESOLVE_IN_ROOT), so "/", ".." and links in the middle of a path mean what they will mean inside the
//! container; the last component is never followed. Archives come in directory order, so the last parent is kept
//! open. Whoever removes or replaces something that may be part of a path calls `forget`.
//! It decides nothing about metadata; directories it had to invent are handed to `invented`.
const std = @import("std");
const kernel = @import("kernel.zig");
const paths = @import("path.zig");
const sys = @import("../sys.zig");
const linux = sys.linux;

pub const Error = sys.Error || paths.Error || error{ ParentNotDirectory, TooManyLinks, TooManyDirectories, OutOfMemory };

const resolve_inside = kernel.Resolve.in_root | kernel.Resolve.no_magiclinks | kernel.Resolve.no_xdev;
const directory_flags: linux.O = .{ .PATH = true, .DIRECTORY = true, .CLOEXEC = true };

/// As many as the kernel follows in one path (MAXSYMLINKS).
const links_max = 40;

/// Told of each directory that no entry announced, right after it was made with mode 0700.
pub const Inventions = struct {
    context: *anyopaque,
    add: *const fn (*anyopaque, Invention) Error!void,
};

pub const Invention = struct {
    /// Open for reading; the tree closes it.
    fd: linux.fd_t,
    path: []const u8,
    replaces_whiteout: bool,
};

pub const Tree = struct {
    root: linux.fd_t,
    inventions: Inventions,
    /// RESOLVE_* of openat2(2) for every path: a layer has no mounts in it, a container has.
    resolve: u64 = resolve_inside,
    /// The parent used last, and its path; -1 when there is none.
    cached: linux.fd_t = -1,
    cached_path: paths.Buffer = undefined,
    cached_length: usize = 0,

    /// The directory that holds a cleaned path's last component; made when missing. Valid until the next call.
    pub fn parentOf(self: *Tree, path: [:0]const u8) Error!linux.fd_t {
        return self.directory(paths.parentOf(path));
    }

    /// A directory by its cleaned path, links followed inside the root; made when missing. Valid until the next call.
    pub fn directory(self: *Tree, path: []const u8) Error!linux.fd_t {
        if (path.len == 0) return self.root;
        if (self.cached >= 0 and std.mem.eql(u8, self.cached_path[0..self.cached_length], path)) return self.cached;
        var buffer: paths.Buffer = undefined;
        const rc = self.open(terminated(path, &buffer), directory_flags);
        switch (linux.errno(rc)) {
            .SUCCESS => self.remember(@intCast(rc), path),
            .NOENT, .NOTDIR => self.remember(try self.make(path), path),
            else => _ = try sys.check("openat2", "", rc),
        }
        return self.cached;
    }

    /// The same, but null where `directory` would have to make one.
    pub fn existingDirectory(self: *Tree, path: []const u8) Error!?linux.fd_t {
        if (path.len == 0) return self.root;
        if (self.cached >= 0 and std.mem.eql(u8, self.cached_path[0..self.cached_length], path)) return self.cached;
        var buffer: paths.Buffer = undefined;
        const rc = self.open(terminated(path, &buffer), directory_flags);
        switch (linux.errno(rc)) {
            .NOENT, .NOTDIR, .LOOP => return null,
            else => self.remember(try sys.checkFd("openat2", "", rc), path),
        }
        return self.cached;
    }

    /// openat2 from the root; the caller closes what it gets.
    pub fn open(self: *const Tree, path: [*:0]const u8, flags: linux.O) usize {
        return kernel.openat2(self.root, path, flags, self.resolve);
    }

    /// Take over a descriptor of a directory just made: its entries usually come next.
    pub fn remember(self: *Tree, fd: linux.fd_t, path: []const u8) void {
        self.forget();
        self.cached = fd;
        @memcpy(self.cached_path[0..path.len], path);
        self.cached_length = path.len;
    }

    pub fn forget(self: *Tree) void {
        if (self.cached >= 0) _ = linux.close(self.cached);
        self.cached = -1;
    }

    /// Make what is missing on the way to `path` and open it. A dangling link on the way gets its target made, inside
    /// the root; a whiteout becomes a directory that hides what it hid.
    fn make(self: *Tree, path: []const u8) Error!linux.fd_t {
        var buffers: [2]paths.Buffer = undefined;
        var wanted: []const u8 = terminated(path, &buffers[0]);
        for (0..links_max) |turn| {
            switch (try self.makeOnce(wanted, &buffers[(turn + 1) % 2])) {
                .made => |fd| return fd,
                .redirected => |other| wanted = other,
            }
        }
        return error.TooManyLinks;
    }

    const Made = union(enum) { made: linux.fd_t, redirected: []const u8 };

    fn makeOnce(self: *Tree, path: []const u8, other: *paths.Buffer) Error!Made {
        var at = try sys.checkFd("openat2", "", kernel.openat2(self.root, ".", directory_flags, self.resolve));
        errdefer _ = linux.close(at);
        var end: usize = 0;
        while (end < path.len) {
            const start = if (end == 0) 0 else end + 1;
            end = std.mem.findScalarPos(u8, path, start, '/') orelse path.len;
            var name_buffer: [paths.name_bytes_max + 1]u8 = undefined;
            const name = std.fmt.bufPrintZ(&name_buffer, "{s}", .{path[start..end]}) catch unreachable;
            const next = switch (try self.step(at, name, path[0..end])) {
                .directory => |fd| fd,
                .link => |target| {
                    _ = linux.close(at);
                    at = -1;
                    return .{ .redirected = try redirect(path, start, end, target, other) };
                },
            };
            _ = linux.close(at);
            at = next;
        }
        return .{ .made = at };
    }

    const Step = union(enum) { directory: linux.fd_t, link: []const u8 };

    fn step(self: *Tree, at: linux.fd_t, name: [:0]const u8, path: []const u8) Error!Step {
        var stat: linux.Statx = undefined;
        const seen = kernel.lookAt(at, name, &stat);
        if (linux.errno(seen) == .NOENT) return .{ .directory = try self.invent(at, name, path, false) };
        _ = try sys.check("statx", "", seen);
        switch (stat.mode & linux.S.IFMT) {
            linux.S.IFDIR => return .{ .directory = try self.openStep(at, name) },
            linux.S.IFLNK => return self.followed(at, name, path),
            else => {},
        }
        if (!kernel.isWhiteout(stat)) return error.ParentNotDirectory;
        _ = try sys.check("unlinkat", "", linux.unlinkat(at, name, 0));
        return .{ .directory = try self.invent(at, name, path, true) };
    }

    /// A link on the way: the directory it leads to, or, when there is none, its text.
    fn followed(self: *Tree, at: linux.fd_t, name: [:0]const u8, path: []const u8) Error!Step {
        var buffer: paths.Buffer = undefined;
        const rc = self.open(terminated(path, &buffer), directory_flags);
        if (linux.errno(rc) == .SUCCESS) return .{ .directory = @intCast(rc) };
        if (linux.errno(rc) == .LOOP) return error.TooManyLinks;
        if (linux.errno(rc) == .NOTDIR) return error.ParentNotDirectory;
        if (linux.errno(rc) != .NOENT) _ = try sys.check("openat2", "", rc);
        const static = struct {
            var target: paths.Buffer = undefined;
        };
        const length = try sys.check("readlinkat", "", linux.readlinkat(at, name, &static.target, static.target.len));
        if (length == static.target.len) return error.PathTooLong;
        return .{ .link = static.target[0..length] };
    }

    fn invent(
        self: *Tree,
        at: linux.fd_t,
        name: [:0]const u8,
        path: []const u8,
        replaces_whiteout: bool,
    ) Error!linux.fd_t {
        _ = try sys.check("mkdirat", "", linux.mkdirat(at, name, 0o700));
        const fd = try self.openStep(at, name);
        errdefer _ = linux.close(fd);
        const what: Invention = .{ .fd = fd, .path = path, .replaces_whiteout = replaces_whiteout };
        try self.inventions.add(self.inventions.context, what);
        return fd;
    }

    fn openStep(self: *const Tree, at: linux.fd_t, name: [:0]const u8) sys.Error!linux.fd_t {
        const flags: linux.O = .{ .DIRECTORY = true, .NOFOLLOW = true, .CLOEXEC = true };
        const resolve = kernel.Resolve.beneath | (self.resolve & kernel.Resolve.no_xdev);
        return sys.checkFd("openat2", "", kernel.openat2(at, name, flags, resolve));
    }
};

/// Where `path` leads when the component at start..end is a link to `target`. ".." is taken by spelling and cannot
/// climb above the root, as in the container.
fn redirect(path: []const u8, start: usize, end: usize, target: []const u8, other: *paths.Buffer) Error![]const u8 {
    var joined: [3 * paths.path_bytes_max]u8 = undefined;
    const is_absolute = std.mem.startsWith(u8, target, "/");
    const before = if (is_absolute or start == 0) "" else path[0 .. start - 1];
    const text = std.fmt.bufPrint(&joined, "{s}/{s}{s}", .{ before, target, path[end..] }) catch unreachable;
    return paths.cleanClamped(text, other);
}

fn terminated(path: []const u8, buffer: *paths.Buffer) [:0]const u8 {
    @memcpy(buffer[0..path.len], path);
    buffer[path.len] = 0;
    return buffer[0..path.len :0];
}
