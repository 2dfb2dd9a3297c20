/** One world for a file of tests, made before the first and ended (with its leak check) after the last. */
import { afterAll, beforeAll } from "bun:test";
import { makeWorld, type World, type WorldOptions } from "./world.ts";

const longest = { timeout: 60_000 };

/** The world appears in `beforeAll`: use what is returned inside tests only. */
export function sharedWorld(options: WorldOptions = {}): { world: World } {
  const holder: { world?: World } = {};
  beforeAll(async () => {
    holder.world = await makeWorld(options);
  }, longest);
  afterAll(async () => {
    await holder.world?.[Symbol.asyncDispose]();
  }, longest);
  return {
    get world(): World {
      if (holder.world === undefined) throw new Error("The world is there only inside of tests");
      return holder.world;
    },
  };
}
