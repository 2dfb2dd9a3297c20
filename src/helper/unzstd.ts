/**
 * The helper's Zstandard decoder, for frames whose window is too large for this process: frames on descriptor 0, their
 * content on descriptor 1. Zig's side is zig/src/unzstd.zig.
 */

/** How it ends. */
export const unzstdStatus = { decoded: 0, damaged: 1, windowTooLarge: 2, failed: 125 } as const;
