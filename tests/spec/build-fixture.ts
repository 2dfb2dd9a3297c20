/** What buildSpec() is given in its tests: a case sets only what matters to it. */
import {
  type BuiltSpec,
  buildSpec,
  type CreateOptions,
  type ImageSettings,
  type SpecHost,
  type SpecPlace,
} from "../../src/spec/index.ts";

const image: ImageSettings = {
  env: ["PATH=/bin", "A=image"],
  entrypoint: [],
  cmd: ["/bin/sh"],
  user: "",
  workingDir: "",
  labels: {},
  stopSignal: "",
};

export const options: CreateOptions = {
  image: "alpine",
  command: [],
  entrypoint: null,
  name: null,
  environment: [],
  labels: {},
  workdir: null,
  user: null,
  hostname: null,
  network: "private",
  mounts: [],
  isReadOnly: false,
  interactive: false,
  tty: false,
  init: false,
  runtime: null,
  autoRemove: false,
  stopSignal: null,
  stopTimeoutMs: 10_000,
};

export const host: SpecHost = {
  architecture: "x64",
  mapping: {
    uid: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100_000, size: 65_536 },
    ],
    gid: [{ containerID: 0, hostID: 1000, size: 1 }],
    tools: null,
  },
  etcHosts: "127.0.0.1 localhost myhost",
  resolvConf: "nameserver 192.0.2.1\n",
  hostname: "myhost",
  network: () => ({ hasTun: true, hasIpv6: true }),
  kernelRelease: () => "6.1.0-test",
  cgroupManager: () => "systemd",
  deviceNumber: (path) => (path === "/dev/fuse" ? { type: "c", major: 10, minor: 229 } : null),
};

const place: SpecPlace = {
  id: "0123456789abcdef".repeat(4),
  name: "brave_otter",
  containerDir: "/d/containers/c",
  runtimeDir: "/r/c",
  trashDir: "/d/trash",
  atRestDir: "/d/at-rest",
  events: "/d/events.jsonl",
  seccompCache: "/cache/seccomp",
  layers: ["/d/layers/top/diff", "/d/layers/base/diff"],
  rootfs: "overlay",
  volumeDirectory: (name: string) => `/d/volumes/${name}/_data`,
};

/** The spec of an ordinary container of an ordinary image, but for what a case sets. */
export const build = (
  asked: Partial<CreateOptions> = {},
  settings: Partial<ImageSettings> = {},
  machine: Partial<SpecHost> = {},
  where: Partial<SpecPlace> = {},
): BuiltSpec =>
  buildSpec(
    { ...image, ...settings },
    { ...options, ...asked },
    { ...host, ...machine },
    { ...place, ...where },
  );
