/** The tests' own images: Debian's static busybox and a few files, in the variations that the tests ask about. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Entry, type ImageSource, writeLayout } from "./oci-image.ts";

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Write all of them as OCI layouts below `directory`; the names are theirs in the registry too. */
export async function writeBusyboxImages(directory: string): Promise<string[]> {
  const base = await busyboxLayer();
  const images = variations(base);
  for (const [name, sources] of Object.entries(images)) {
    await writeLayout(join(directory, name), sources);
  }
  return Object.keys(images);
}

function large(line: string): string {
  return `${line}\n`.repeat(5000);
}

function variations(base: Entry[]): Record<string, ImageSource[]> {
  const plain: ImageSource = { layers: [base], config: { Env: [path], Cmd: ["sh"] } };
  return {
    tiny: [plain],
    /** Everything an image can say about how it is run. */
    configured: [
      {
        layers: [base, [{ path: "srv/" }, { path: "srv/app/", uid: 1000, gid: 1000 }]],
        config: {
          Env: [path, "FROM_IMAGE=yes", "CHANGED=image"],
          User: "app",
          WorkingDir: "/srv/app",
          Entrypoint: ["/bin/echo", "entry"],
          Cmd: ["from-image"],
          StopSignal: "SIGINT",
          Labels: { "org.example.from": "image" },
        },
      },
    ],
    /** The second layer removes, replaces and hides. */
    layered: [
      {
        layers: [
          [
            ...base,
            { path: "data/" },
            { path: "data/gone", content: "gone" },
            { path: "data/kept", content: "one" },
            { path: "hidden/" },
            { path: "hidden/old", content: "old" },
          ],
          [
            { path: "data/.wh.gone" },
            { path: "data/kept", content: "two" },
            { path: "hidden/" },
            { path: "hidden/.wh..wh..opq" },
            { path: "hidden/new", content: "new" },
          ],
        ],
        config: { Env: [path], Cmd: ["sh"] },
      },
    ],
    /** The same with as few entries as it is run with: for tests that do something at each of them. */
    few: [
      {
        layers: [
          [
            ...base.filter(({ path }) => /^(bin|data)\/$|^bin\/(busybox|sh|cat)$/.test(path)),
            { path: "data/" },
            { path: "data/gone", content: "gone" },
            { path: "data/kept", content: "one" },
            { path: "data/also", hardLinkTo: "data/kept" },
          ],
          [
            { path: "data/.wh.gone" },
            { path: "data/kept", content: "two" },
            { path: "hidden/" },
            { path: "hidden/.wh..wh..opq" },
          ],
        ],
        config: { Env: [path], Cmd: ["sh"] },
      },
    ],
    /** Files large enough to be left where they are when ids are mapped otherwise, and what could hide one of them. */
    large: [
      {
        layers: [
          [
            ...base,
            { path: "data/" },
            { path: "data/kept", content: large("kept") },
            { path: "data/replaced", content: large("old") },
            { path: "data/first", content: large("linked") },
            { path: "data/second", hardLinkTo: "data/first" },
            { path: "data/gone", content: large("gone") },
            { path: "data/closed/", mode: 0o700 },
            { path: "data/closed/file", content: large("closed"), mode: 0o600 },
            { path: "data/app", content: large("app's"), mode: 0o600, uid: 1000, gid: 50 },
          ],
          [
            { path: "data/.wh.gone" },
            { path: "data/replaced", content: large("new") },
            { path: "data/first", content: large("another") },
          ],
        ],
        config: { Env: [path], Cmd: ["sh"] },
      },
    ],
    /** Volumes that the image has something for, nothing for, and a link to; and one that leads out. */
    volumes: [
      {
        layers: [
          [
            ...base,
            { path: "data/", mode: 0o750, uid: 1000, gid: 50 },
            { path: "data/mine", content: "app's\n", mode: 0o640, uid: 1000, gid: 50 },
            { path: "data/gone", content: "gone" },
            { path: "data/deep/", uid: 1000 },
            { path: "data/deep/file", content: "one" },
            { path: "data/link", linkTo: "../../../../etc/passwd" },
            { path: "var/link", linkTo: "../data" },
            { path: "out", linkTo: "../../../../../../../../etc" },
          ],
          [
            { path: "data/", mode: 0o2770, uid: 1000, gid: 50 },
            { path: "data/.wh.gone" },
            { path: "data/deep/", uid: 1000 },
            { path: "data/deep/file", content: "two" },
          ],
        ],
        config: {
          Env: [path],
          Cmd: ["sh"],
          Volumes: { "/data": {}, "/nothing/there": {}, "/out": {} },
        },
      },
    ],
    /** What an image can hold that is no file and no directory, or lies deep. */
    strange: [
      {
        layers: [
          [
            ...base,
            { path: "strange/" },
            { path: "strange/up", linkTo: "../../../../../../../../etc" },
            { path: "strange/pipe", type: "fifo", mode: 0o600 },
            { path: "strange/far", content: "far" },
            { path: `strange/deep/${"d/".repeat(100)}` },
          ],
        ],
        config: { Env: [path], Cmd: ["sh"] },
      },
    ],
    /** No platform of this machine. */
    elsewhere: [
      { ...plain, architecture: "s390x" },
      { ...plain, architecture: "riscv64" },
    ],
    /** An image with nothing to run. */
    commandless: [{ layers: [base], config: { Env: [path] } }],
  };
}

async function busyboxLayer(): Promise<Entry[]> {
  const binary = Bun.which("busybox");
  if (binary === null) throw new Error("Cannot find busybox: apt-get install busybox-static");
  const list = await Bun.$`${binary} --list`.quiet().text();
  const applets = list.split("\n").filter((name) => name !== "" && name !== "busybox");
  const directories = [
    "bin",
    "etc",
    "root",
    "tmp",
    "home",
    "home/app",
    "var",
    "var/empty",
    "usr",
    "usr/bin",
  ];
  return [
    ...directories.map((name) => ({ path: `${name}/`, mode: name === "tmp" ? 0o1777 : 0o755 })),
    { path: "bin/busybox", content: readFileSync(binary), mode: 0o755 },
    ...applets.map((name) => ({ path: `bin/${name}`, linkTo: "busybox" })),
    { path: "bin/not-executable", content: "#!/bin/sh\n", mode: 0o644 },
    { path: "bin/not-a-program", content: "neither ELF nor script\n", mode: 0o755 },
    { path: "bin/lost-interpreter", content: "#!/bin/missing\n", mode: 0o755 },
    {
      path: "etc/passwd",
      content:
        "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n" +
        "nobody:x:65534:65534::/var/empty:/bin/false\n",
    },
    {
      path: "etc/group",
      content: "root:x:0:\napp:x:1000:\nstaff:x:50:app\nnogroup:x:65534:\n",
    },
  ];
}
