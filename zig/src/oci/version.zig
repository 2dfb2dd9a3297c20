//! `--version`, in the lines that engines show.
const config = @import("config");
const sys = @import("../sys.zig");

pub const specification = "1.2.0";

pub fn print() u8 {
    sys.writeAll(1, "tspod-oci version " ++ config.version ++ "\nspec: " ++ specification ++ "\n") catch return 1;
    return 0;
}
