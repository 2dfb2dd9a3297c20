//! dynamic_cast, as the Itanium C++ ABI defines it (sections 2.9 and 2.8). ICU is what uses it.
//!
//! Theory of operation. Every polymorphic class has a type_info that lists its bases; which of three layouts it has
//! is told by its own vtable, one of the three exported here. Bun copies those at build time (COPY relocations), so
//! they are recognised by what is in them and never by where they are. From the most derived object every base
//! subobject is walked, remembering the last target on the way down.
const std = @import("std");
const die = @import("throw.zig").die;

const Function = ?*const fn () callconv(.c) void;

/// A vtable of libstdc++'s type_info classes is 11 words: offset to top, type_info, nine functions. Nobody calls them.
const Vtable = [11]Function;

fn vtable(comptime marker: fn () callconv(.c) void) Vtable {
    return [_]Function{ null, null } ++ [_]Function{&marker} ** 9;
}
fn calledNoBases() callconv(.c) void {
    die("type_info of a class without bases was called");
}
fn calledOneBase() callconv(.c) void {
    die("type_info of a class with one base was called");
}
fn calledManyBases() callconv(.c) void {
    die("type_info of a class with many bases was called");
}
export const _ZTVN10__cxxabiv117__class_type_infoE: Vtable = vtable(calledNoBases);
export const _ZTVN10__cxxabiv120__si_class_type_infoE: Vtable = vtable(calledOneBase);
export const _ZTVN10__cxxabiv121__vmi_class_type_infoE: Vtable = vtable(calledManyBases);

const Type = extern struct {
    functions: [*]const Function,
    name: [*:0]const u8,

    /// The same class may have a type_info in several places; a name that starts with "*" is local to one.
    fn is(a: *const Type, b: *const Type) bool {
        if (a == b or a.name == b.name) return true;
        return a.name[0] != '*' and std.mem.orderZ(u8, a.name, b.name) == .eq;
    }
};
/// __si_class_type_info: one public, non-virtual base at offset 0.
const TypeOneBase = extern struct { type: Type, base: *const Type };
/// __vmi_class_type_info: `count` of Base follow.
const TypeManyBases = extern struct {
    type: Type,
    flags: u32,
    count: u32,

    fn bases(self: *const TypeManyBases) []const Base {
        return @as([*]const Base, @ptrFromInt(@intFromPtr(self) + @sizeOf(TypeManyBases)))[0..self.count];
    }
};
const Base = extern struct {
    type: *const Type,
    /// Bit 0: virtual; bit 1: public; from bit 8: where it is, or for a virtual base where in the vtable that is said.
    offset_flags: isize,

    fn address(base: Base, object: usize) usize {
        const offset = base.offset_flags >> 8;
        if (base.offset_flags & 1 == 0) return object +% @as(usize, @bitCast(offset));
        const functions = @as(*const usize, @ptrFromInt(object)).*;
        const place: *const isize = @ptrFromInt(functions +% @as(usize, @bitCast(offset)));
        return object +% @as(usize, @bitCast(place.*));
    }
};

/// One subobject found, none, or more than one.
const Found = union(enum) {
    none,
    one: usize,
    ambiguous,

    fn add(found: *Found, address: usize) void {
        switch (found.*) {
            .none => found.* = .{ .one = address },
            .one => |known| if (known != address) {
                found.* = .ambiguous;
            },
            .ambiguous => {},
        }
    }
};

const Search = struct {
    source: usize,
    source_type: *const Type,
    target_type: *const Type,
    /// Targets of which the source is a public base.
    down: Found = .none,
    /// Targets that are public bases of the whole object, which counts when the source is one, too.
    across: Found = .none,
    source_is_public: bool = false,

    /// `target`: the target subobject we are inside of, reached from it by public bases only.
    fn walk(search: *Search, class: *const Type, object: usize, is_public: bool, target: ?usize) void {
        var inside = target;
        if (class.is(search.target_type)) {
            inside = object;
            if (is_public) search.across.add(object);
        }
        if (object == search.source and class.is(search.source_type)) {
            if (is_public) search.source_is_public = true;
            if (inside) |address| search.down.add(address);
        }
        const marker = class.functions[0];
        if (marker == &calledOneBase) {
            search.walk(@as(*const TypeOneBase, @ptrCast(class)).base, object, is_public, inside);
        } else if (marker == &calledManyBases) {
            for (@as(*const TypeManyBases, @ptrCast(class)).bases()) |base| {
                const base_is_public = base.offset_flags & 2 != 0;
                search.walk(
                    base.type,
                    base.address(object),
                    is_public and base_is_public,
                    if (base_is_public) inside else null,
                );
            }
        }
    }
};

/// The whole object is found by the two words in front of the functions its vtable pointer points at.
export fn __dynamic_cast(
    source: *const [*]const usize,
    source_type: *const Type,
    target_type: *const Type,
    _: isize, // a hint how the two are related
) ?*anyopaque {
    const functions = source.*;
    const whole_type: *const Type = @ptrFromInt((functions - 1)[0]);
    const whole = @intFromPtr(source) +% (functions - 2)[0];
    var search: Search = .{
        .source = @intFromPtr(source),
        .source_type = source_type,
        .target_type = target_type,
    };
    search.walk(whole_type, whole, true, null);
    if (search.down == .one) return @ptrFromInt(search.down.one);
    if (search.source_is_public and search.across == .one) return @ptrFromInt(search.across.one);
    return null;
}
