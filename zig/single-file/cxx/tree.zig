//! The binary search trees of std::map and std::set.
//!
//! Theory of operation. The templates that were compiled into Bun find where a node belongs; out of line are only
//! stepping, linking and unlinking. They know the links (parent, left, right) and the header, an extra node whose
//! parent is the root, left the smallest and right the largest element (itself, when there is none). How the tree is
//! kept flat is ours alone, so it is a treap: the address of a node, hashed, is its priority, and no node has a
//! priority above its parent's. `color` tells the header (0, as libstdc++ writes it) from elements (1).
const std = @import("std");

const Node = extern struct { color: u32, parent: ?*Node, left: ?*Node, right: ?*Node };
const element = 1;

fn isHeader(node: *const Node) bool {
    return node.color != element;
}

fn priority(node: *const Node) u64 {
    return std.hash.int(@as(u64, @intFromPtr(node)));
}

/// The next element in order; after the last one, the header.
export fn _ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base(start: *Node) *Node {
    if (start.right) |right| return leftmost(right);
    var node = start;
    var parent = node.parent.?;
    while (!isHeader(parent) and parent.right == node) {
        node = parent;
        parent = node.parent.?;
    }
    return parent;
}

/// The element before; before the header, the last one.
export fn _ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base(start: *Node) *Node {
    if (isHeader(start)) return start.right.?;
    if (start.left) |left| return rightmost(left);
    var node = start;
    var parent = node.parent.?;
    while (!isHeader(parent) and parent.left == node) {
        node = parent;
        parent = node.parent.?;
    }
    return parent;
}

/// Link `node` under `parent`, on the side the template found; the header as parent means an empty tree.
export fn _ZSt29_Rb_tree_insert_and_rebalancebPSt18_Rb_tree_node_baseS0_RS_(
    insert_left: bool,
    node: *Node,
    parent: *Node,
    header: *Node,
) void {
    node.* = .{ .color = element, .parent = parent, .left = null, .right = null };
    if (parent == header) {
        header.* = .{ .color = header.color, .parent = node, .left = node, .right = node };
        return;
    }
    if (insert_left) {
        parent.left = node;
        if (parent == header.left) header.left = node;
    } else {
        parent.right = node;
        if (parent == header.right) header.right = node;
    }
    while (node.parent.? != header and priority(node.parent.?) < priority(node)) rotateUp(node, header);
}

/// Unlink `node` and return it.
export fn _ZSt28_Rb_tree_rebalance_for_erasePSt18_Rb_tree_node_baseRS_(node: *Node, header: *Node) *Node {
    if (header.left == node) header.left = _ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base(node);
    if (header.right == node) header.right = _ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base(node);
    while (node.left != null and node.right != null) {
        const left = node.left.?;
        const right = node.right.?;
        rotateUp(if (priority(left) > priority(right)) left else right, header);
    }
    const child = node.left orelse node.right;
    replaceChild(node.parent.?, node, child, header);
    if (child) |c| c.parent = node.parent;
    return node;
}

fn leftmost(start: *Node) *Node {
    var node = start;
    while (node.left) |left| node = left;
    return node;
}

fn rightmost(start: *Node) *Node {
    var node = start;
    while (node.right) |right| node = right;
    return node;
}

fn replaceChild(parent: *Node, old: *Node, new: ?*Node, header: *Node) void {
    if (parent == header) {
        header.parent = new;
    } else if (parent.left == old) {
        parent.left = new;
    } else {
        parent.right = new;
    }
}

/// `node` and its parent change places; the order of the elements stays.
fn rotateUp(node: *Node, header: *Node) void {
    const parent = node.parent.?;
    if (parent.left == node) {
        parent.left = node.right;
        if (node.right) |child| child.parent = parent;
        node.right = parent;
    } else {
        parent.right = node.left;
        if (node.left) |child| child.parent = parent;
        node.left = parent;
    }
    replaceChild(parent.parent.?, parent, node, header);
    node.parent = parent.parent;
    parent.parent = node;
}

const Set = struct {
    header: Node = undefined,
    nodes: [200]Node = undefined,

    fn insert(set: *Set, index: usize) void {
        const node = &set.nodes[index];
        var parent = &set.header;
        var next = set.header.parent;
        var left = true;
        while (next) |n| {
            parent = n;
            left = @intFromPtr(node) < @intFromPtr(n);
            next = if (left) n.left else n.right;
        }
        _ZSt29_Rb_tree_insert_and_rebalancebPSt18_Rb_tree_node_baseS0_RS_(left, node, parent, &set.header);
    }

    /// Every element in order, forwards and backwards, is exactly what is expected.
    fn expect(set: *Set, present: []const bool) !void {
        var node = set.header.left.?;
        for (present, 0..) |is_present, i| {
            if (!is_present) continue;
            try std.testing.expectEqual(&set.nodes[i], node);
            node = _ZSt18_Rb_tree_incrementPSt18_Rb_tree_node_base(node);
        }
        try std.testing.expectEqual(&set.header, node);
        var i = present.len;
        while (i > 0) {
            i -= 1;
            if (!present[i]) continue;
            node = _ZSt18_Rb_tree_decrementPSt18_Rb_tree_node_base(node);
            try std.testing.expectEqual(&set.nodes[i], node);
        }
    }
};

test "elements stay in order whatever is inserted and erased" {
    var set: Set = .{};
    set.header = .{ .color = 0, .parent = null, .left = &set.header, .right = &set.header };
    var present: [200]bool = @splat(false);
    var random: std.Random.DefaultPrng = .init(1);
    for (0..5000) |_| {
        const i = random.random().uintLessThan(usize, present.len);
        if (present[i]) {
            const erased = _ZSt28_Rb_tree_rebalance_for_erasePSt18_Rb_tree_node_baseRS_(&set.nodes[i], &set.header);
            try std.testing.expectEqual(&set.nodes[i], erased);
        } else set.insert(i);
        present[i] = !present[i];
        try set.expect(&present);
    }
    for (&set.nodes, 0..) |*node, i| if (present[i]) {
        _ = _ZSt28_Rb_tree_rebalance_for_erasePSt18_Rb_tree_node_baseRS_(node, &set.header);
    };
    try std.testing.expectEqual(null, set.header.parent);
    try std.testing.expectEqual(&set.header, set.header.left);
    try std.testing.expectEqual(&set.header, set.header.right);
}
