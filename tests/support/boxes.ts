/** Containers for tests: each is gone when its `await using` ends. */
import type { World } from "./world.ts";

export interface Box extends AsyncDisposable {
  id: string;
}

/** One that runs `script` in the background until it is told not to. */
export async function runBox(
  world: World,
  script = "sleep 1000",
  ...flags: string[]
): Promise<Box> {
  const id = await world.ok("run", "-d", ...flags, "tiny", "sh", "-c", script);
  return { id, [Symbol.asyncDispose]: async () => void (await world.tspod(["rm", "-f", id])) };
}

/** A program by itself: no shell that could still be about to become it. */
export async function runProgram(world: World, ...words: string[]): Promise<Box> {
  const id = await world.ok("run", "-d", "tiny", ...words);
  return { id, [Symbol.asyncDispose]: async () => void (await world.tspod(["rm", "-f", id])) };
}

/** One that has only been created. */
export async function createBox(world: World, ...words: string[]): Promise<Box> {
  const id = await world.ok("create", ...words);
  return { id, [Symbol.asyncDispose]: async () => void (await world.tspod(["rm", "-f", id])) };
}

/** What `inspect` says of one container. */
export async function inspectOne(world: World, name: string): Promise<Inspection> {
  const [first] = JSON.parse(await world.ok("inspect", name)) as Inspection[];
  if (first === undefined) throw new Error(`inspect says nothing of ${name}`);
  return first;
}

/** The fields that tests look at. */
export interface Inspection {
  Id: string;
  Name: string;
  State: { Status: string; Paused: boolean; Pid: number; ExitCode: number; CgroupPath: string };
  Config: Record<string, unknown>;
  HostConfig: Record<string, unknown>;
  [field: string]: unknown;
}
