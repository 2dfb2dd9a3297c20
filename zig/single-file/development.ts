/** `npm run build`: dist/tspod, linked against this machine's libc, with the helper embedded as a file. */

import { mkdirSync } from "node:fs";
import { describeBuild } from "./build-info.ts";
import { bundle } from "./bundle.ts";
import { root } from "./command.ts";
import { zig } from "./zig.ts";

const helper = `${root}zig/zig-out/bin/tspod-helper`;
const hello = `${root}zig/zig-out/bin/hello`;

export async function buildDevelopment(): Promise<void> {
  await zig("build");
  const helperSha256 = new Bun.CryptoHasher("sha256")
    .update(await Bun.file(helper).bytes())
    .digest("hex");
  const info = await describeBuild("dev", helperSha256);
  mkdirSync(`${root}dist`, { recursive: true });
  await bundle({ info, outfile: `${root}dist/tspod`, embed: [helper, hello] });
  console.log(`dist/tspod: ${Bun.file(`${root}dist/tspod`).size} bytes`);
}
