/** What a machine is handed: an image as a registry serves it and as a layout, a bundle, and a busybox that serves. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeBusyboxImages } from "../support/busybox-images.ts";

/** Their paths below `base`; what they are called there is what they are called in $IN. */
export async function makeFiles(base: string): Promise<string[]> {
  const images = join(base, "images");
  await writeBusyboxImages(images);
  const [layout, registry] = [join(images, "tiny"), join(base, "registry")];
  const served = join(registry, "v2/tiny");
  const blobs = readBlobs(layout);
  mkdirSync(join(served, "manifests"), { recursive: true });
  mkdirSync(join(served, "blobs"));
  for (const digest of blobs.all) {
    cpSync(join(layout, "blobs", digest.replace(":", "/")), join(served, "blobs", digest));
  }
  cpSync(join(served, "blobs", blobs.manifest), join(served, "manifests/latest"));
  const busybox = Bun.which("busybox") ?? "/bin/busybox";
  const bundle = join(base, "bundle");
  for (const name of ["bin", "proc", "dev", "sys"]) {
    mkdirSync(join(bundle, "rootfs", name), { recursive: true });
  }
  for (const target of [join(bundle, "rootfs/bin/busybox"), join(base, "busybox")]) {
    cpSync(busybox, target, { dereference: true });
  }
  writeFileSync(join(bundle, "template.json"), JSON.stringify(template));
  return [registry, layout, bundle, join(base, "busybox")];
}

function readBlobs(layout: string): { manifest: string; all: string[] } {
  const parse = (path: string) => JSON.parse(readFileSync(join(layout, path), "utf8")) as never; // ours, just written
  const { manifests } = parse("index.json") as { manifests: [{ digest: string }] };
  const [{ digest: manifest }] = manifests;
  const { config, layers } = parse(`blobs/${manifest.replace(":", "/")}`) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  return { manifest, all: [manifest, config.digest, ...layers.map(({ digest }) => digest)] };
}

const own = [{ containerID: 0, hostID: "UID", size: 1 }];

/** Of `bundle RESOURCES SCRIPT`, which fills it in. */
const template = {
  ociVersion: "1.2.0",
  process: {
    ...{ user: { uid: 0, gid: 0 }, args: ["/bin/busybox", "sh", "-c", "SCRIPT"] },
    ...{ env: ["PATH=/bin"], cwd: "/" },
  },
  root: { path: "rootfs" },
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/dev", type: "tmpfs", source: "tmpfs" },
  ],
  linux: {
    resources: "RESOURCES",
    namespaces: ["user", "pid", "mount", "ipc", "cgroup"].map((type) => ({ type })),
    ...{ uidMappings: own, gidMappings: own },
  },
};
