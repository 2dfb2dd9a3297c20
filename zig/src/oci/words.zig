//! How many words a verb takes.
const sys = @import("../sys.zig");
const contexts = @import("context.zig");

pub fn one(words: []const contexts.Text, comptime usage: []const u8) sys.Error!contexts.Text {
    if (words.len != 1) return sys.fail("usage", "usage: tspod oci " ++ usage);
    return words[0];
}

pub fn none(words: []const contexts.Text, comptime usage: []const u8) sys.Error!void {
    if (words.len != 0) return sys.fail("usage", "usage: tspod oci " ++ usage);
}
