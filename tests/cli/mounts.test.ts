/** -v, --mount and --tmpfs: what they mean and what they refuse, without a store. */
import { describe, expect, test } from "bun:test";
import { csvFields } from "../../src/cli/options/csv.ts";
import { parseMount } from "../../src/cli/options/mount.ts";
import { parseTmpfs, parseVolume } from "../../src/cli/options/volume.ts";
import { mountOptions } from "../../src/cli/options/mounts.ts";
import { TspodError } from "../../src/errors.ts";

/** What it is refused with. */
function sentence(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof TspodError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("parseVolume()", () => {
  test.each([
    ["/tmp:/x", { kind: "bind", source: "/tmp", destination: "/x", options: [] }],
    ["/tmp:/x/./y/../z/:ro", { destination: "/x/z", options: ["ro"] }],
    ["/tmp:/x:ro,Z,rslave,noexec,cached", { options: ["ro", "rslave", "noexec"] }],
    ["/usr/share:/x:U", { kind: "bind", givesAway: true }],
    ["/tmp:/x:O", { kind: "overlay", source: "/tmp" }],
    ["/tmp:/x:O,upperdir=/srv,workdir=/opt", { kind: "overlay", upper: "/srv", work: "/opt" }],
    ["/tmp:/x:idmap", { options: ["idmap"] }],
    ["data:/x", { kind: "volume", source: "data", destination: "/x", options: [] }],
    ["data:/x:nocopy,U", { kind: "volume", isNotSeeded: true, givesAway: true }],
    ["/x", { kind: "volume", source: "", isAnonymous: true, destination: "/x" }],
    ["/x:ro", { kind: "volume", source: "", isAnonymous: true, options: ["ro"] }],
  ])("%p", (text, expected) => {
    expect(parseVolume(text)).toMatchObject(expected);
  });

  test.each([
    ["", "no destination"],
    ["data", "no destination"],
    [":/x", "Invalid volume"],
    ["/tmp:x", "not an absolute path"],
    ["/tmp:/", "root itself"],
    ["/tmp:/x:ro:rw", "Invalid volume"],
    ["/tmp:/x:ro,rw", '"ro" and "rw" contradict'],
    ["/tmp:/x:z,Z", '"z" and "Z" contradict'],
    ["/tmp:/x:rshared,private", "contradict"],
    ["/tmp:/x:nocopy", '"nocopy" is for volumes'],
    ["/tmp:/x:O,ro", '"O" and "ro" contradict'],
    ["/tmp:/x:O,U", '"O" and "U" contradict'],
    ["/tmp:/x:O,upperdir=/a", "go together"],
    ["/tmp:/x:upperdir=/a,workdir=/b", "are for O"],
    ["/etc/passwd:/x:O", "for directories"],
    ["/usr:/x:U", "give all of /usr away"],
    ["data:/x:O", "directories of the host"],
    ["data:/x:r0", '"r0" is no mount option'],
    ["../x:/y:idmap=uids=0-1-2", "takes no map"],
    ["/no/such/place:/x", "does not exist"],
    ["da ta:/x", "Invalid volume name"],
  ])("%p is refused", (text, part) => {
    expect(sentence(() => parseVolume(text))).toContain(part);
  });
});

describe("parseMount()", () => {
  test.each([
    ["type=bind,src=/tmp,dst=/x,readonly", [{ kind: "bind", source: "/tmp", options: ["ro"] }]],
    ["type=bind,source=/tmp,target=/x,ro=false", [{ options: ["rw"] }]],
    ["type=bind,from=/tmp,dst=/x,bind-nonrecursive", [{ options: ["bind"] }]],
    ["type=bind,src=/tmp,dst=/x,bind-propagation=rshared", [{ options: ["rshared"] }]],
    ["type=bind,src=/tmp,dst=/x,ro,bind-recursive=readonly", [{ options: ["rro"] }]],
    ["type=bind,src=/tmp,dst=/x,relabel=shared,consistency=cached", [{ options: [] }]],
    ['"type=bind","src=/tmp","dst=/x,y"', [{ destination: "/x,y" }]],
    ["dst=/x", [{ kind: "volume", source: "", isAnonymous: true }]],
    [
      "type=volume,src=data,dst=/x,volume-label=a=b,volume-label=c,volume-opt=type=tmpfs,volume-nocopy",
      [
        {
          kind: "volume",
          source: "data",
          labels: { a: "b", c: "" },
          driverOptions: { type: "tmpfs" },
          isNotSeeded: true,
        },
      ],
    ],
    ["type=volume,src=data,dst=/x,subpath=/a//b/.", [{ subpath: "a/b" }]],
    ["type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=700", [{ options: ["mode=700", "size=1048576"] }]],
    ["type=tmpfs,destination=/x,ro", [{ kind: "tmpfs", options: ["mode=1777", "ro"] }]],
    [
      "type=image,src=alpine,dst=/x,rw=true",
      [{ kind: "image", source: "alpine", isWritable: true }],
    ],
    ["type=image,src=alpine,dst=/x,subpath=etc", [{ isWritable: false, subpath: "etc" }]],
    ["type=devpts,dst=/x,uid=5,max=3", [{ kind: "devpts", options: ["uid=5", "max=3"] }]],
    ["type=glob,src=/etc/pass[w]d,dst=/x", [{ source: "/etc/passwd", destination: "/x/passwd" }]],
    ["type=glob,src=/etc/passw?", [{ source: "/etc/passwd", destination: "/etc/passwd" }]],
  ])("%p", (text, expected) => {
    expect(parseMount(text)).toMatchObject(expected);
  });

  test.each([
    ["type=bind,src=/tmp", "it has no destination"],
    ["type=bind,dst=/x", "it has no source"],
    ["type=nfs,dst=/x", 'there is no type "nfs"'],
    ["type=constructor,dst=/x", "there is no type"],
    ["type=npipe,dst=/x", "Windows"],
    ["type=bind,src=/tmp,dst=/x,sorce=/y", 'did you mean "source"?'],
    ["type=bind,src=/tmp,dst=/x,volume-label=a", "not for type=bind"],
    ["type=tmpfs,src=/tmp,dst=/x", '"source" is not for type=tmpfs'],
    ["type=tmpfs,dst=/x,tmpfs-size=lots", '"lots" is no size'],
    ["type=tmpfs,dst=/x,tmpfs-mode=9", "no octal mode"],
    ["type=bind,src=/tmp,dst=/x,ro=maybe", "true or false"],
    ["type=bind,src=/tmp,dst=/x,dst=/y", "given twice"],
    ["type=bind,src=/tmp,dst=/x,ro,rw", "contradict"],
    ["type=bind,src=/tmp,dst=/x,relabel=all", "shared or private"],
    ["type=volume,src=/tmp,dst=/x", "use type=bind"],
    ["type=volume,src=a,dst=/x,volume-driver=nfs", "no volume driver"],
    ["type=volume,src=a,dst=/x,volume-subpath=../b", "leads out"],
    ["type=image,dst=/x", "it has no source"],
    ["type=glob,src=/no/such/*", "nothing matches"],
    ['type=bind,"src=/tmp', "a quote is not closed"],
    ['type=bind,sr"c=/tmp', "in the middle"],
  ])("%p is refused", (text, part) => {
    expect(sentence(() => parseMount(text))).toContain(part);
  });
});

test("csvFields() reads what Go's encoding/csv does", () => {
  const fail = (why: string): TspodError => new TspodError("usage", why);
  expect(csvFields('a,"b,""c""",d', fail)).toEqual(["a", 'b,"c"', "d"]);
  expect(csvFields("a,,b,", fail)).toEqual(["a", "b"]);
  expect(csvFields("", fail)).toEqual([]);
});

test("two mounts at one place are refused, however it is written", async () => {
  const base = { volume: [], mount: [], tmpfs: [], volumesFrom: [] };
  const flags = { ...base, imageVolume: null, volumeDriver: null };
  const work = mountOptions({ ...flags, volume: ["data:/x/"], tmpfs: ["/y/../x"] });
  expect(await work.catch((error: Error) => error.message)).toBe('Duplicate mount point "/x"');
  expect(await mountOptions(flags)).toEqual({ mounts: [] });
});

test("parseTmpfs() keeps what mount(8) knows", () => {
  expect(parseTmpfs("/x:size=64m,mode=700,notmpcopyup")).toEqual({
    ...{ kind: "tmpfs", destination: "/x", options: ["size=64m", "mode=700"] },
  });
  expect(sentence(() => parseTmpfs("x"))).toContain("not an absolute path");
  for (const word of ["nope", "size", "size=", "nosize=1", "rdefaults"]) {
    expect(sentence(() => parseTmpfs(`/x:ro,${word}`))).toContain(`no option "${word}"`);
  }
  const all =
    "rw,nosuid,rnodev,exec,noatime,nodiratime,strictatime,rprivate,size=50%,nr_inodes=1k,mode=1777,uid=5,huge=never";
  expect(parseTmpfs(`/x:${all}`)).toMatchObject({ options: all.split(",") });
});
