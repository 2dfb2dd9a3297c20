/** Standard output. Never through process.stdout: its first touch costs 9 ms at start-up. */

/** Write all of `text`; a reader that went away (`| head`) is not an error. */
export async function print(text: string | Uint8Array): Promise<void> {
  if (text.length === 0) return;
  try {
    await Bun.write(Bun.stdout, text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  }
}
