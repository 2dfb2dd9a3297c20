/** buildSpec(): what a container's config.json and helper.json say for what was asked. */
import { describe, expect, test } from "bun:test";
import { TspodError } from "../../src/errors.ts";
import type { CreateOptions, ImageSettings } from "../../src/spec/index.ts";
import { build } from "./build-fixture.ts";

describe("the command line (image-spec conversion.md)", () => {
  test.each<[string, Partial<ImageSettings>, Partial<CreateOptions>, string[]]>([
    ["Cmd alone", {}, {}, ["/bin/sh"]],
    ["Entrypoint and Cmd", { entrypoint: ["/e"] }, {}, ["/e", "/bin/sh"]],
    ["a command replaces Cmd", { entrypoint: ["/e"] }, { command: ["x"] }, ["/e", "x"]],
    ["a new entrypoint drops Cmd", { entrypoint: ["/e"] }, { entrypoint: ["/n"] }, ["/n"]],
    ["an empty one too", { entrypoint: ["/e"] }, { entrypoint: [], command: ["y"] }, ["y"]],
  ])("%s", (_, settings, asked, args) => {
    expect(build(asked, settings).config.process.args).toEqual(args);
  });

  test("nothing to run is refused with the way out", () => {
    expect(() => build({}, { cmd: [] })).toThrow(TspodError);
    expect(() => build({}, { cmd: [] })).toThrow("the image names no command");
  });
});

describe("the process", () => {
  test("later variables replace earlier ones", () => {
    const { env } = build({ environment: ["A=asked", "B=2"], tty: true }).config.process;
    expect(env).toEqual([
      "PATH=/bin",
      "HOSTNAME=0123456789ab",
      "container=tspod",
      "TERM=xterm",
      "A=asked",
      "B=2",
    ]);
  });

  test("has no capability that Podman's default lacks", () => {
    const { capabilities } = build().config.process;
    expect(capabilities?.bounding).toHaveLength(11);
    expect(capabilities?.bounding).not.toContain("CAP_SYS_ADMIN");
    expect(capabilities?.ambient).toEqual([]);
  });

  test("a relative working directory is refused when asked for", () => {
    expect(() => build({ workdir: "src" })).toThrow('"src" is not an absolute path');
    expect(build({}, { workingDir: "srv" }).config.process.cwd).toBe("/srv");
  });
});

describe("namespaces and mounts", () => {
  const types = (asked: Partial<CreateOptions>) =>
    build(asked).config.linux.namespaces.map(({ type }) => type);

  test("every namespace but time, and the network only when it is not the host's", () => {
    const all = ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] as const;
    expect(types({}).sort()).toEqual([...all]);
    expect(types({ network: "none" })).toContain("network");
    expect(types({ network: "host" })).not.toContain("network");
  });

  test("no option names a group the mapping lacks", () => {
    const { config } = build();
    const pts = config.mounts.find(({ destination }) => destination === "/dev/pts");
    expect(pts?.options).not.toContain("gid=5");
    expect(config.linux.sysctl).toEqual({ "net.ipv4.ping_group_range": "0 0" });
  });

  test("what the user mounts comes last and cannot be set-user-ID", () => {
    const { mounts } = build({
      mounts: [
        { kind: "bind", source: "/src", destination: "/dst", options: ["ro"] },
        { kind: "volume", source: "data", destination: "/data", options: [] },
        { kind: "tmpfs", destination: "/scratch", options: ["size=1m"] },
      ],
    }).config;
    expect(mounts.slice(-3)).toEqual([
      {
        destination: "/dst",
        type: "bind",
        source: "/src",
        options: ["rbind", "rprivate", "nosuid", "nodev", "ro"],
      },
      {
        destination: "/data",
        type: "bind",
        source: "/d/volumes/data/_data",
        options: ["rbind", "rprivate", "nosuid", "nodev"],
      },
      {
        destination: "/scratch",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "nodev", "noexec", "size=1m"],
      },
    ]);
  });

  test("the host's files show only where its network is shared", () => {
    expect(build({ network: "host" }).files["resolv.conf"]).toBe("nameserver 192.0.2.1\n");
    expect(build({ network: "host" }).files["hosts"]).toStartWith("127.0.0.1 localhost myhost\n");
    expect(build().files["resolv.conf"]).not.toContain("192.0.2.1");
    expect(build({ hostname: "box", network: "none" }).files).toMatchObject({
      hostname: "box\n",
      hosts: expect.stringContaining("127.0.0.1\tbox brave_otter\n"),
    });
  });
});

describe("helper.json", () => {
  test("carries what OCI has no word for", () => {
    expect(build({ user: "app:staff", stopSignal: 2 }).helper).toMatchInlineSnapshot(`
      {
        "atRestDir": "/d/at-rest",
        "autoRemove": false,
        "cgroup": {
          "manager": "systemd",
          "parent": null,
        },
        "containerDir": "/d/containers/c",
        "contract": 1,
        "createCwd": true,
        "events": "/d/events.jsonl",
        "id": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "idMapTools": null,
        "imageName": "alpine",
        "init": false,
        "log": {
          "driver": "k8s-file",
          "path": "/d/containers/c/log",
        },
        "name": "brave_otter",
        "network": {
          "address4": "10.0.2.100/24",
          "address6": "fd00::100/64",
          "dns4": "10.0.2.3",
          "dns6": "fd00::3",
          "egress": null,
          "gateway4": "10.0.2.2",
          "gateway6": "fd00::2",
          "hostLoopback": false,
          "interface": "eth0",
          "mac": "02:01:23:45:67:89",
          "mode": "private",
          "mtu": 65520,
          "names": [
            {
              "address": "10.0.2.2",
              "name": "host.containers.internal",
            },
            {
              "address": "10.0.2.2",
              "name": "host.docker.internal",
            },
          ],
          "ports": [],
          "resolv": "/etc/resolv.conf",
          "servers": [],
          "socket": "/r/c/net.sock",
        },
        "rootfs": {
          "kind": "overlay",
          "lower": [
            "/d/layers/top/diff",
            "/d/layers/base/diff",
          ],
          "upper": "/d/containers/c/upper",
          "work": "/d/containers/c/work",
        },
        "runtimeDir": "/r/c",
        "seccompCache": "/cache/seccomp",
        "stdinOpen": false,
        "stopSignal": 2,
        "stopTimeoutMs": 10000,
        "trashDir": "/d/trash",
        "user": "app:staff",
      }
    `);
  });

  test("the image's stop signal counts unless another is asked for", () => {
    expect(build({}, { stopSignal: "SIGQUIT" }).helper.stopSignal).toBe(3);
    expect(build({ stopSignal: 10 }, { stopSignal: "SIGQUIT" }).helper.stopSignal).toBe(10);
  });
});
