/** Files the executable carries for others than itself. */
import { build } from "../version.ts";

const embedded = "/$bunfs/root/hello";
const built = `${import.meta.dir}/../../zig/zig-out/bin/hello`;

/** The static program of the built-in image, for this machine. */
export async function helloProgram(): Promise<Uint8Array> {
  return Bun.file(build.kind === "source" ? built : embedded).bytes();
}
