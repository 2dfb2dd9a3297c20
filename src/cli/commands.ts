/** Every command, by name. Only the one that is called is loaded. */
import type { Command } from "./command.ts";

type Loader = () => Promise<{ default: unknown }>;

/** In the order of `tspod --help`. */
const loaders: Readonly<Record<string, Loader>> = {
  run: () => import("./run.ts"),
  create: () => import("./create.ts"),
  start: () => import("./start.ts"),
  exec: () => import("./exec.ts"),
  attach: () => import("./attach.ts"),
  ps: () => import("./ps.ts"),
  logs: () => import("./logs.ts"),
  stop: () => import("./stop.ts"),
  kill: () => import("./kill.ts"),
  wait: () => import("./wait.ts"),
  rm: () => import("./rm.ts"),
  pull: () => import("./pull.ts"),
  images: () => import("./images.ts"),
  rmi: () => import("./rmi.ts"),
  inspect: () => import("./inspect.ts"),
  info: () => import("./info.ts"),
  version: () => import("./version.ts"),
  completion: () => import("./completion.ts"),
};

/** Not for people: in no list. */
const hiddenLoaders: Readonly<Record<string, Loader>> = {
  __complete: () => import("./complete.ts"),
};

export const commandNames: readonly string[] = Object.keys(loaders);

export async function loadCommand(name: string): Promise<Command | null> {
  const all = { ...loaders, ...hiddenLoaders };
  const loader = Object.hasOwn(all, name) ? all[name] : undefined;
  if (loader === undefined) return null;
  return (await loader()).default as Command; // each module's default export is one
}
