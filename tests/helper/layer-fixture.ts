/** A directory to unpack into, with a sentinel tree around it, and a look at what became of both. */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import type { LayerDone } from "../../src/helper/contract.ts";
import {
  applyLayer,
  helperCommand,
  type LayerMapping,
  type OwnerMapping,
  remapLayers,
  removeTrees,
} from "../../src/helper/index.ts";
import { hostMapping } from "../../src/host/index.ts";
import type { Requirement } from "../support/requirements.ts";

const mapping = hostMapping(process.env);

/** The mapping with one id that a host without newuidmap gets. */
export const singleId: LayerMapping = {
  uid: [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }],
  gid: [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }],
  tools: null,
};

export const subordinateIds: Requirement = () => mapping.limitation;

export interface Found {
  path: string;
  type: string;
  mode: string;
  owner: string;
  mtime: string;
  link?: string;
  size?: number;
  xattrs?: Record<string, string>;
}

export interface LayerFixture extends AsyncDisposable {
  /** Where the archive goes; `sentinel` lies beside it. */
  directory: string;
  base: string;
  signal: AbortController;
  apply(tar: Uint8Array | AsyncIterable<Uint8Array>, as?: LayerMapping): Promise<LayerDone>;
  /** `directory` once more, in an empty directory beside it. */
  remap(owners: OwnerMapping, how: { isLight: boolean }): Promise<{ done: LayerDone; to: string }>;
  remove(...directories: string[]): Promise<void>;
  /** What is in `directory`, or another one, as the user namespace sees it, by path. */
  list(other?: string): Promise<Found[]>;
  /** The paths alone. */
  paths(): Promise<string[]>;
}

/** Disposing of it insists that nothing outside `directory` has changed. */
export function makeLayerFixture(): LayerFixture {
  const base = mkdtempSync(join(tmpdir(), "tspod-layer-"));
  const directory = join(base, "tree");
  for (const name of ["tree", "sentinel", "sentinel/etc"]) mkdirSync(join(base, name));
  writeFileSync(join(base, "sentinel/etc/passwd"), "untouched", { mode: 0o600 });
  symlinkSync("etc/passwd", join(base, "sentinel/link"));
  const before = surroundings(base);
  let mappedNumber = 0;
  const signal = new AbortController();
  const verb = { command: helperCommand(), mapping, signal: signal.signal };
  const remove = (...directories: string[]): Promise<void> =>
    removeTrees({ ...verb, signal: new AbortController().signal }, directories);
  const list = (other = directory): Promise<Found[]> => listTree(other);
  return {
    ...{ directory, base, signal, remove, list },
    apply: (tar, as = mapping) =>
      applyLayer({ ...verb, mapping: as, directory }, tar instanceof Uint8Array ? whole(tar) : tar),
    async remap(owners, { isLight }) {
      const to = join(base, `mapped-${mappedNumber++}`);
      mkdirSync(to);
      const from = isLight ? { layers: [directory] } : { layer: directory };
      return { done: await remapLayers({ ...verb, from, to, owners }), to };
    },
    paths: async () => (await list()).map(({ path }) => path),
    async [Symbol.asyncDispose]() {
      const after = surroundings(base);
      const mapped = readdirSync(base).filter((name) => name.startsWith("mapped-"));
      await remove(directory, ...mapped.map((name) => join(base, name)));
      rmSync(base, { recursive: true });
      if (JSON.stringify(after) !== JSON.stringify(before)) {
        throw new Error(`Something outside was touched: ${JSON.stringify({ before, after })}`);
      }
    },
  };
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Everything around the tree that an escape could change. */
function surroundings(base: string): string[] {
  const sentinel = readdirSync(join(base, "sentinel"), { recursive: true, encoding: "utf8" });
  return [...readdirSync(base), ...sentinel.map((name) => join("sentinel", name))]
    .filter((name) => name !== "tree" && !name.startsWith("mapped-"))
    .sort()
    .map((name) => {
      const stat = lstatSync(join(base, name), { bigint: true });
      const content = stat.isFile() ? readFileSync(join(base, name), "latin1") : "";
      return `${name} ${stat.mode} ${stat.nlink} ${stat.mtimeNs} ${stat.ctimeNs} ${content}`;
    });
}

/** tar, run inside a user namespace like the layer's, is the observer: it sees owners, times and attributes. */
async function listTree(directory: string): Promise<Found[]> {
  const tar = Bun.spawn(
    [
      ...["unshare", "--map-root-user", "--map-auto", "--", "tar", "-C", directory, "-cf", "-"],
      ...["--format=pax", "--numeric-owner", "--sort=name", "--xattrs", "--xattrs-include=*", "."],
    ],
    { stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  );
  const entries = extract(latin1);
  Readable.from(tar.stdout).pipe(entries);
  const found: Found[] = [];
  for await (const entry of entries) {
    const { header } = entry;
    found.push(describe(header as unknown as RawHeader)); // the type lacks pax
    entry.resume();
  }
  if ((await tar.exited) !== 0) throw new Error(await tar.stderr.text());
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Names are bytes; tar-stream's types do not know the option. */
const latin1 = { filenameEncoding: "latin1" } as Parameters<typeof extract>[0];

interface RawHeader {
  name: string;
  type: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: Date;
  linkname: string | null;
  devmajor: number;
  devminor: number;
  pax: Record<string, string> | null;
}

function describe(header: RawHeader): Found {
  const pax = header.pax ?? {};
  const xattrs = Object.entries(pax).flatMap(([key, value]) =>
    key.startsWith("SCHILY.xattr.") ? [[key.slice("SCHILY.xattr.".length), value]] : [],
  );
  const isDevice = header.type.endsWith("-device");
  return {
    path: header.name.replace(/^\.\//, "").replace(/\/$/, "") || ".",
    type: isDevice ? `${header.type} ${header.devmajor}:${header.devminor}` : header.type,
    mode: header.mode.toString(8).padStart(4, "0"),
    owner: `${header.uid}:${header.gid}`,
    mtime: pax.mtime ?? String(header.mtime.getTime() / 1000),
    ...(header.linkname ? { link: header.linkname.replace(/^\.\//, "") } : {}),
    ...(header.type === "file" ? { size: header.size } : {}),
    ...(xattrs.length > 0 ? { xattrs: Object.fromEntries(xattrs) as Record<string, string> } : {}),
  };
}
