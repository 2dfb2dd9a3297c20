//! Theory of operation: containers made by another OCI runtime (crun, runc, any program with its command line) under
//! our monitor. This file is the door.
//!
//! A runtime of its own must be root of a user namespace, find a root file system that is mounted, and reap nobody. So
//! the monitor starts a keeper in a user, pid, mount and cgroup namespace of the container (world.zig), which mounts the
//! layers as our own runtime would, writes the runtime's bundle into a tmpfs that only these namespaces see (bundle.zig),
//! and calls `create` and `start` (command.zig). The keeper is process 1 there: the container's first process becomes
//! its child once the runtime has left, and it tells the monitor how that ended.
//!
//! Crash-only by construction: the keeper dies with the monitor, with the keeper dies every process in its pid
//! namespace, with the last of them the mounts and whatever state the runtime has written. Nothing needs to be deleted.
//!
//! `exec` is the same a second time: a keeper that joins those namespaces calls the runtime's `exec`.
//!
//! What the runtime is asked for is config.json without what is done already: the user namespace and its maps. cgroups
//! are ours, not the runtime's: it finds them read-only, where runtimes do without.
const plans = @import("plan.zig");
const keepers = @import("keeper.zig");
const handles = @import("handle.zig");

pub const Plan = plans.Plan;
pub const ofContainer = plans.ofContainer;
pub const ofExec = plans.ofExec;
pub const run = keepers.run;
pub const namespacesOf = handles.namespacesOf;
pub const Keeper = handles.Keeper;
pub const Program = handles.Program;
