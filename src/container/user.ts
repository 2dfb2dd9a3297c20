/** Who a container runs as, in numbers, before it is there to be asked: read from the image's own files. */
import { TspodError } from "../errors.ts";
import type { StoredImage } from "../image/index.ts";
import type { ContainerContext } from "./context.ts";
import { readImageFile } from "./image-file.ts";
import type { Setting } from "./setting.ts";

export interface ImageUser {
  uid: number;
  gid: number;
  /** "" when nobody has that number. */
  name: string;
  home: string;
}

/** Throws usage: a name that the image does not know. */
export function imageUser(
  { paths }: Pick<ContainerContext, "paths">,
  { options, user }: Pick<Setting, "options" | "user">,
  { config, layers }: StoredImage,
): ImageUser {
  const asked = options.user ?? (config.user === "" ? (user ?? "") : config.user);
  const [who = "", group] = asked.split(":");
  const passwd = entries(readImageFile(paths, layers, "etc/passwd"));
  const found = passwd.find(([name, , uid]) => (/^\d+$/.test(who) ? uid === who : name === who));
  const root = { uid: 0, gid: 0, name: "root", home: "/root" };
  if (who === "" && group === undefined) return root;
  if (found === undefined && !/^\d*$/.test(who)) throw unknown("user", who);
  const [name = "", , uid = who === "" ? "0" : who, gid = "0", , home = "/"] = found ?? [];
  return { uid: Number(uid), gid: group === undefined ? Number(gid) : groupId(group), name, home };

  function groupId(text: string): number {
    if (/^\d+$/.test(text)) return Number(text);
    const line = entries(readImageFile(paths, layers, "etc/group")).find(([one]) => one === text);
    if (line === undefined) throw unknown("group", text);
    return Number(line[2]);
  }
}

function entries(text: string): string[][] {
  return text.split("\n").map((line) => line.split(":"));
}

function unknown(kind: string, name: string): TspodError {
  return new TspodError("usage", `The image has no ${kind} "${name}" that can be seen in /etc`, {
    next: `give the ${kind}'s number with --user`,
  });
}
