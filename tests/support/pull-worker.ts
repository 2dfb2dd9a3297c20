/**
 * A process that pulls one image into a store and says its id, and in a second line the most memory it had, in KiB: for
 * tests of several at once, and of killed ones.
 */
import { readFileSync } from "node:fs";
import { pullImage } from "../../src/image/index.ts";
import { makeStore } from "./image-store.ts";

const [root = "", name = "", limits = "{}"] = process.argv.slice(2);
const { context } = makeStore({ root, limits: JSON.parse(limits) as object });
const image = await pullImage(context, name);
console.log(image.id);
console.log(/^VmHWM:\s*(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "");
