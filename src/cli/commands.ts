/** Every command, by name, and the nouns they have too. Only the one that is called is loaded. */
import type { Command } from "./command.ts";

export type Loader = () => Promise<{ default: unknown }>;

/** `tspod container ls`: the same commands under the thing they are about, and those that only make sense there. */
export interface Group {
  /** One sentence, without a full stop. */
  readonly summary: string;
  readonly commands: Readonly<Record<string, Loader>>;
}

/** In the order of `tspod --help`. */
const loaders = {
  run: () => import("./run.ts"),
  create: () => import("./create.ts"),
  start: () => import("./start.ts"),
  exec: () => import("./exec.ts"),
  attach: () => import("./attach.ts"),
  ps: () => import("./ps.ts"),
  logs: () => import("./logs.ts"),
  top: () => import("./top.ts"),
  stats: () => import("./stats.ts"),
  stop: () => import("./stop.ts"),
  restart: () => import("./restart.ts"),
  kill: () => import("./kill.ts"),
  pause: () => import("./pause.ts"),
  unpause: () => import("./unpause.ts"),
  wait: () => import("./wait.ts"),
  unshare: () => import("./unshare.ts"),
  rename: () => import("./rename.ts"),
  update: () => import("./update.ts"),
  rm: () => import("./rm.ts"),
  cp: () => import("./cp.ts"),
  diff: () => import("./diff.ts"),
  export: () => import("./export.ts"),
  mount: () => import("./container/mount.ts"),
  unmount: () => import("./container/unmount.ts"),
  umount: () => import("./container/unmount.ts"),
  commit: () => import("./commit.ts"),
  import: () => import("./import.ts"),
  pull: () => import("./pull.ts"),
  save: () => import("./save.ts"),
  load: () => import("./load.ts"),
  push: () => import("./push.ts"),
  search: () => import("./search.ts"),
  login: () => import("./login.ts"),
  logout: () => import("./logout.ts"),
  images: () => import("./images.ts"),
  history: () => import("./history.ts"),
  tag: () => import("./tag.ts"),
  untag: () => import("./untag.ts"),
  rmi: () => import("./rmi.ts"),
  inspect: () => import("./inspect.ts"),
  port: () => import("./port.ts"),
  events: () => import("./events.ts"),
  info: () => import("./info.ts"),
  version: () => import("./version.ts"),
  completion: () => import("./completion.ts"),
} satisfies Readonly<Record<string, Loader>>;

const { run, create, start, exec, attach, ps, logs, top, stats, stop, restart, kill } = loaders;
const { pause, unpause, wait, rename, update, rm, port, events, info } = loaders;
const { cp, commit, history, tag, untag, save, load } = loaders;

const groups: Readonly<Record<string, Group>> = {
  container: {
    summary: "Containers",
    commands: {
      ...{ run, create, start, exec, attach, logs, top, stats, stop, restart, kill },
      ...{ pause, unpause, wait, rename, update, rm, port },
      ...{ cp, commit, export: loaders.export },
      ...{ mount: loaders.mount, unmount: loaders.unmount, umount: loaders.umount },
      ...{ ls: ps, list: ps, ps },
      diff: () => import("./container/diff.ts"),
      inspect: () => import("./container/inspect.ts"),
      exists: () => import("./container/exists.ts"),
      prune: () => import("./container/prune.ts"),
    },
  },
  image: {
    summary: "Images",
    commands: {
      ...{ pull: loaders.pull, push: loaders.push, search: loaders.search },
      ...{ import: loaders.import, save, load },
      ...{ history, tag, untag, rm: loaders.rmi },
      ...{ ls: loaders.images, list: loaders.images },
      diff: () => import("./image/diff.ts"),
      exists: () => import("./image/exists.ts"),
      inspect: () => import("./image/inspect.ts"),
      prune: () => import("./image/prune.ts"),
      tree: () => import("./image/tree.ts"),
      mount: () => import("./image/mount.ts"),
      unmount: () => import("./image/unmount.ts"),
      umount: () => import("./image/unmount.ts"),
    },
  },
  manifest: {
    summary: "Manifest lists: one name for images of several platforms",
    commands: {
      create: () => import("./manifest/create.ts"),
      add: () => import("./manifest/add.ts"),
      annotate: () => import("./manifest/annotate.ts"),
      exists: () => import("./manifest/exists.ts"),
      inspect: () => import("./manifest/inspect.ts"),
      push: () => import("./manifest/push.ts"),
      remove: () => import("./manifest/remove.ts"),
      rm: () => import("./manifest/rm.ts"),
    },
  },
  network: {
    summary: "Networks that containers find each other on",
    commands: {
      create: () => import("./network/create.ts"),
      ls: () => import("./network/ls.ts"),
      list: () => import("./network/ls.ts"),
      inspect: () => import("./network/inspect.ts"),
      exists: () => import("./network/exists.ts"),
      connect: () => import("./network/connect.ts"),
      disconnect: () => import("./network/disconnect.ts"),
      rm: () => import("./network/rm.ts"),
      remove: () => import("./network/rm.ts"),
      prune: () => import("./network/prune.ts"),
      update: () => import("./network/update.ts"),
      reload: () => import("./network/reload.ts"),
    },
  },
  artifact: {
    summary: "Artifacts: files in registries that are no images",
    commands: {
      add: () => import("./artifact/add.ts"),
      pull: () => import("./artifact/pull.ts"),
      push: () => import("./artifact/push.ts"),
      ls: () => import("./artifact/ls.ts"),
      list: () => import("./artifact/ls.ts"),
      inspect: () => import("./artifact/inspect.ts"),
      extract: () => import("./artifact/extract.ts"),
      rm: () => import("./artifact/rm.ts"),
    },
  },
  registry: {
    summary: "What registries have: tags, what refers to an image, deletion",
    commands: {
      "list-tags": () => import("./registry/list-tags.ts"),
      tags: () => import("./registry/list-tags.ts"),
      referrers: () => import("./registry/referrers.ts"),
      discover: () => import("./registry/referrers.ts"),
      delete: () => import("./registry/delete.ts"),
    },
  },
  secret: {
    summary: "Secrets",
    commands: {
      create: () => import("./secret/create.ts"),
      ls: () => import("./secret/ls.ts"),
      list: () => import("./secret/ls.ts"),
      inspect: () => import("./secret/inspect.ts"),
      exists: () => import("./secret/exists.ts"),
      rm: () => import("./secret/rm.ts"),
      remove: () => import("./secret/rm.ts"),
    },
  },
  volume: {
    summary: "Volumes",
    commands: {
      create: () => import("./volume/create.ts"),
      ls: () => import("./volume/ls.ts"),
      list: () => import("./volume/ls.ts"),
      inspect: () => import("./volume/inspect.ts"),
      exists: () => import("./volume/exists.ts"),
      rm: () => import("./volume/rm.ts"),
      remove: () => import("./volume/rm.ts"),
      prune: () => import("./volume/prune.ts"),
      export: () => import("./volume/export.ts"),
      import: () => import("./volume/import.ts"),
      mount: () => import("./volume/mount.ts"),
      unmount: () => import("./volume/unmount.ts"),
    },
  },
  healthcheck: {
    summary: "How containers are",
    commands: { run: () => import("./healthcheck/run.ts") },
  },
  system: {
    summary: "This host and the store",
    commands: {
      ...{ info, events },
      autostart: () => import("./system/autostart.ts"),
      check: () => import("./system/check.ts"),
      df: () => import("./system/df.ts"),
      prune: () => import("./system/prune.ts"),
    },
  },
};

/** Most of what zig/single-file/environment.zig calls short: loaded once in a boot (snapshot.ts). */
export const shortLoaders: readonly Loader[] = [
  ...[run, create, start, exec, attach, ps, logs, top, stop, restart, kill, pause, unpause, wait],
  ...[rename, update, rm, port, tag, untag],
  ...[loaders.images, loaders.rmi, loaders.inspect, loaders.version],
];

/** Not for people: in no list. */
const hiddenLoaders: Readonly<Record<string, Loader>> = {
  __complete: () => import("./complete.ts"),
};

const topLevel: Readonly<Record<string, Loader>> = { ...loaders, ...hiddenLoaders };

export const commandNames: readonly string[] = Object.keys(loaders);
export const groupNames: readonly string[] = Object.keys(groups);

export function findGroup(name: string): Group | null {
  return Object.hasOwn(groups, name) ? (groups[name] ?? null) : null;
}

/** By one word, or by a noun and a verb. Null: there is none. */
export async function loadCommand(name: string, verb?: string): Promise<Command | null> {
  const table = verb === undefined ? topLevel : (findGroup(name)?.commands ?? {});
  const wanted = verb ?? name;
  const loader = Object.hasOwn(table, wanted) ? table[wanted] : undefined;
  if (loader === undefined) return null;
  return (await loader()).default as Command; // each module's default export is one
}

/** The first words of a command line that name a command, and the rest. */
export function splitCommand(words: readonly string[]): { path: string[]; rest: string[] } {
  const length = findGroup(words[0] ?? "") === null ? 1 : 2;
  return { path: words.slice(0, length), rest: words.slice(length) };
}
