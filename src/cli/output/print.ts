/** Standard output. Never through process.stdout: its first touch costs 9 ms at start-up. */

/**
 * Write all of `text`; a reader that went away (`| head`) is not an error. False: that has happened. Throws files.refused
 * where there is no room.
 */
export async function print(text: string | Uint8Array): Promise<boolean> {
  if (text.length === 0) return true;
  try {
    await Bun.write(Bun.stdout, text);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return false;
    const { explainOutput } = await import("./sink.ts");
    throw explainOutput(error, "to standard output");
  }
}
