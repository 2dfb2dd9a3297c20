/** config.json's mounts and their options, seen from inside: flags of whole trees, propagation, id maps, remounts. */
import { describe, expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Place, placeTest } from "./place.ts";
import { attached, Container, type ContainerOptions, runtimeTest } from "./runtime-fixture.ts";
import type { Mount } from "./runtime-bundle.ts";

const helper = { attach: attached };
async function shell(
  script: string,
  mounts: Mount[],
  options: ContainerOptions = {},
): Promise<string> {
  await using container = new Container(["sh", "-c", script], { helper, ...options, mounts });
  const { stdout, stderr, last } = await container.run();
  expect({ last, stderr }).toEqual({ last: { event: "exited", code: 0 }, stderr: "" });
  return stdout;
}

async function failure(mounts: Mount[], options: ContainerOptions = {}): Promise<string> {
  await using container = new Container(["true"], { ...options, mounts });
  const { last } = await container.run();
  expect(last).toMatchObject({ event: "failed" });
  return JSON.stringify(last);
}

/** The per-mount flags of a path, from /proc/self/mountinfo: field 6. */
const flagsOf = (path: string): string =>
  `awk '$5 == "${path}" { print $6 }' /proc/self/mountinfo | tail -1`;

const spaces = ["pid", "mount", "network", "ipc", "uts", "cgroup"].map((type) => ({ type }));
describe("flags", () => {
  placeTest("of the mount itself, and of everything under it", async () => {
    await using container = new Container(
      [
        ...["sh", "-c"],
        ["/own", "/own/sub", "/all", "/all/sub", "/mixed", "/mixed/sub"].map(flagsOf).join("; "),
      ],
      { helper: { ...helper, idMapTools: null }, namespaces: spaces },
    );
    const source = join(container.base, "source");
    mkdirSync(source);
    await using place = await Place.make("--mount");
    place.run(`mount -t tmpfs t ${source}; mkdir ${source}/sub; mount -t tmpfs u ${source}/sub`);
    container.change((config) =>
      config.mounts.push(
        { destination: "/own", source, options: ["rbind", "ro", "nosuid"] },
        { destination: "/all", source, options: ["rbind", "rro", "rnoexec", "rnosymfollow"] },
        { destination: "/mixed", source, options: ["rbind", "ro", "rrw", "rnodev", "relatime"] },
      ),
    );
    const { stdout, last } = await container.run(place.helper());
    expect(last).toEqual({ event: "exited", code: 0 });
    expect(stdout.trim().split("\n")).toEqual([
      "ro,nosuid,relatime",
      "rw,relatime",
      "ro,noexec,relatime,nosymfollow",
      "ro,noexec,relatime,nosymfollow",
      "rw,nodev,relatime",
      "rw,nodev,relatime",
    ]);
  });

  runtimeTest("access times: later words win", async () => {
    const options = [
      ["noatime"],
      ["noatime", "relatime"],
      ["strictatime", "nodiratime"],
      ["noatime", "strictatime", "nostrictatime"],
    ];
    const mounts = options.map((words, i) => ({
      ...{ destination: `/t${i}`, type: "tmpfs", source: "t", options: words },
    }));
    const script = mounts.map(({ destination }) => flagsOf(destination)).join("; ");
    expect((await shell(script, mounts)).trim().split("\n")).toEqual([
      ...["rw,noatime", "rw,relatime", "rw,nodiratime", "rw,relatime"],
    ]);
  });

  runtimeTest("that the host locked stay: rw of a read-only mount is still read-only", async () => {
    const mounts = [{ destination: "/p", source: "/proc/sys", options: ["rbind", "rw", "suid"] }];
    expect(await shell("touch /p/x 2>&1; true", mounts)).toContain("touch: /p/x");
  });
});

describe("remount", () => {
  runtimeTest("gives what is mounted other flags, and other limits", async () => {
    const mounts = [
      { destination: "/t", type: "tmpfs", source: "t", options: ["size=1m"] },
      { destination: "/t", type: "tmpfs", options: ["remount", "size=2m", "noexec"] },
      { destination: "/dev/shm", type: "none", options: ["remount", "bind", "ro"] },
    ];
    const script = `${flagsOf("/t")}; df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2; touch /dev/shm/x 2>&1; true`;
    expect(await shell(script, mounts)).toBe(
      "rw,noexec,relatime\n2048\ntouch: /dev/shm/x: Read-only file system\n",
    );
  });

  runtimeTest("of what is no mount, or of /proc, is refused", async () => {
    const ro = ["remount", "bind", "ro"];
    expect(await failure([{ destination: "/etc", options: ro }])).toContain("/etc");
    expect(await failure([{ destination: "/proc", options: ro }])).toContain("inside /proc");
  });
});

describe("destinations", () => {
  runtimeTest("a relative one starts at the root", async () => {
    const mounts = [{ destination: "data/here", type: "tmpfs", source: "t" }];
    expect(await shell("stat -f -c %T /data/here; stat -c %a /data", mounts)).toBe("tmpfs\n755\n");
  });

  const refused: { mount: Mount; says: string }[] = [
    { mount: { destination: "/" }, says: "the root itself" },
    { mount: { destination: "" }, says: "the root itself" },
    { mount: { destination: "/x", options: ["bind"] }, says: "names no source" },
    { mount: { destination: "/x", source: "/y", options: ["bind", "fast"] }, says: "fast" },
    {
      mount: { destination: "/x", source: "/tmp", options: ["bind", "tmpcopyup"] },
      says: "only a tmpfs",
    },
    { mount: { destination: "/x", source: "/tmp", options: ["bind", "idmap"] }, says: "may map" },
    { mount: { destination: "/x", type: "tmpfs", options: ["idmap"] }, says: "only bind mounts" },
  ];
  runtimeTest.each(refused)("$mount is refused", async ({ mount, says }) => {
    expect(await failure([mount])).toContain(says);
  });

  const paths = ["maskedPaths", "readonlyPaths"];
  runtimeTest.each(paths)("%s must be absolute", async (name) => {
    expect(await failure([], { linux: { [name]: ["proc/kcore"] } })).toContain("not absolute");
  });

  runtimeTest("a mount label where there is no SELinux", async () => {
    const mountLabel = "system_u:object_r:container_file_t:s0";
    expect(await failure([], { linux: { mountLabel } })).toContain("has no SELinux");
  });
});

describe("propagation", () => {
  const kindsOf = `awk '$5 == "/" || $5 == "/v" { print $7 }' /proc/self/mountinfo`;
  const cases = [
    { rootfsPropagation: undefined, volume: [], says: /^-\n-\n$/ },
    { rootfsPropagation: "shared", volume: [], says: /^shared:\d+\n-\n$/ },
    { rootfsPropagation: "unbindable", volume: ["rprivate"], says: /^unbindable\n-\n$/ },
    { rootfsPropagation: "private", volume: ["unbindable"], says: /^-\nunbindable\n$/ },
    { rootfsPropagation: "rshared", volume: [], says: /^shared:\d+\nshared:\d+\n$/ },
  ];
  runtimeTest.each(cases)(
    "$rootfsPropagation, $volume",
    async ({ rootfsPropagation, volume, says }) => {
      const mounts = [{ destination: "/v", type: "tmpfs", source: "v", options: volume }];
      const linux = rootfsPropagation === undefined ? {} : { rootfsPropagation };
      expect(await shell(kindsOf, mounts, { linux })).toMatch(says);
    },
  );

  runtimeTest("an unknown one is refused", async () => {
    expect(await failure([], { linux: { rootfsPropagation: "sideways" } })).toContain("sideways");
  });

  placeTest("a slave sees what is mounted later, a private one does not", async () => {
    await using container = new Container(["sleep", "1000"], {
      helper: { ...helper, idMapTools: null, attach: undefined } as object,
      namespaces: spaces,
    });
    const source = join(container.base, "source");
    mkdirSync(source);
    await using place = await Place.make("--mount");
    place.run(`mount -t tmpfs t ${source}; mkdir ${source}/sub; mount --make-rshared /`);
    container.change((config) =>
      config.mounts.push(
        { destination: "/slave", source, options: ["rbind", "rslave"] },
        { destination: "/private", source, options: ["rbind"] },
      ),
    );
    expect((await container.run(place.helper())).last).toMatchObject({ event: "started" });
    place.run(`mount -t tmpfs later ${source}/sub`);
    const script = "grep -c /slave/sub /proc/mounts; grep -c /private/sub /proc/mounts";
    const options = { command: place.helper().command };
    const { stdout } = await container.startExec(["sh", "-c", script], {}, options).outcome;
    expect(stdout).toBe("1\n0\n");
  });
});

describe("id maps", () => {
  const map = [{ containerID: 0, hostID: 1000, size: 10 }];

  placeTest("of their own: owners look different, the disk stays as it is", async () => {
    await using container = new Container(
      ["sh", "-c", "stat -c %u:%g /m/f /m/sub/g /r/f /r/sub/g; touch /m/new; true"],
      { helper: { ...helper, idMapTools: null }, namespaces: spaces },
    );
    const source = join(container.base, "source");
    mkdirSync(source);
    await using place = await Place.make("--mount");
    place.run(
      `mount -t tmpfs t ${source}; touch ${source}/f; chown 3:4 ${source}/f; mkdir ${source}/sub; ` +
        `mount -t tmpfs u ${source}/sub; touch ${source}/sub/g; chown 5:6 ${source}/sub/g`,
    );
    container.change((config) =>
      config.mounts.push(
        ...[
          { destination: "/m", options: ["rbind", "idmap"] },
          { destination: "/r", options: ["rbind", "ridmap"] },
        ].map((mount) => ({ ...mount, source, uidMappings: map, gidMappings: map })),
      ),
    );
    const { stdout, last } = await container.run(place.helper());
    expect(last).toEqual({ event: "exited", code: 0 });
    expect(stdout).toBe("1003:1004\n5:6\n1003:1004\n1005:1006\n");
    expect(place.run(`stat -c %u:%g ${source}/f`)).toBe("3:4\n");
  });

  placeTest("as the container's: root inside owns what root outside owns", async () => {
    await using container = new Container(
      ["sh", "-c", "stat -c %u:%g /plain/f /mapped/f; echo x >/mapped/new"],
      {
        helper: { ...helper, idMapTools: null },
        linux: {
          uidMappings: [{ containerID: 0, hostID: 1000, size: 100 }],
          gidMappings: [{ containerID: 0, hostID: 1000, size: 100 }],
        },
      },
    );
    const source = join(container.base, "source");
    mkdirSync(source);
    await using place = await Place.make("--mount");
    container.change((config) =>
      config.mounts.push(
        { destination: "/plain", source, options: ["rbind"] },
        { destination: "/mapped", source, options: ["rbind", "idmap"] },
      ),
    );
    place.run(`mount -t tmpfs t ${source}; echo f >${source}/f; chmod 755 ${source}`);
    place.run(`chown -R 1000:1000 ${container.directory}; chmod 755 ${container.base}`);
    const { stdout, last } = await container.run(place.helper());
    expect({ last, stdout }).toEqual({
      last: { event: "exited", code: 0 },
      stdout: "65534:65534\n0:0\n",
    });
    expect(place.run(`stat -c %u:%g ${source}/new`)).toBe("0:0\n");
  });

  runtimeTest("that are nonsense are refused", async () => {
    const mount = { destination: "/x", source: "/tmp", options: ["bind"] };
    const wrong = [{ containerID: 0, hostID: 0, size: 0 }];
    const only = { ...mount, uidMappings: map } as Mount;
    expect(await failure([only])).toContain("both uidMappings and gidMappings");
    const empty = { ...mount, uidMappings: wrong, gidMappings: wrong } as Mount;
    expect(await failure([empty])).toContain("is no range");
  });
});

describe("files", () => {
  runtimeTest("a bind mount of a file onto a file that is there, and into a tmpfs", async () => {
    await using source = new Container(["true"]);
    const file = join(source.base, "file");
    writeFileSync(file, "bound\n");
    const mounts = [
      { destination: "/etc/passwd", source: file, options: ["bind", "ro"] },
      { destination: "/run", type: "tmpfs", source: "run" },
      { destination: "/run/secrets/one", source: file, options: ["bind"] },
    ];
    expect(await shell("cat /etc/passwd /run/secrets/one", mounts)).toBe("bound\nbound\n");
  });

  runtimeTest("tmpcopyup keeps owners, modes and links", async () => {
    const options = ["tmpcopyup", "ro"];
    const mounts = [{ destination: "/etc", type: "tmpfs", source: "t", options }];
    expect(await shell("head -n1 /etc/passwd; touch /etc/x 2>&1; true", mounts)).toBe(
      "root:x:0:0:root:/root:/bin/sh\ntouch: /etc/x: Read-only file system\n",
    );
  });
});
