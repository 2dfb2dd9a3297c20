/** /etc/passwd and /etc/group of a container whose caller says what is to be in them. Loaded only for such. */
import type { StoredImage } from "../image/index.ts";
import type { AccountOptions } from "../spec/index.ts";
import type { ContainerContext } from "./context.ts";
import { readImageFile } from "./image-file.ts";
import type { Setting } from "./setting.ts";
import { imageUser } from "./user.ts";

/** The setting's files with these lines at the end. */
export function accountFiles(
  context: Pick<ContainerContext, "paths">,
  setting: Setting,
  image: StoredImage,
  { areWritten, passwdEntry, groupEntry, hostUsers }: AccountOptions,
): Record<string, string> {
  const { passwd, group, ...others } = setting.files ?? {};
  if (!areWritten) return others;
  const user = imageUser(context, setting, image);
  const values = {
    ...{ USERNAME: user.name === "" ? String(user.uid) : user.name, UID: String(user.uid) },
    ...{ GID: String(user.gid), NAME: "container user", HOME: user.home, USERLIST: user.name },
    GROUPNAME: String(user.gid),
  };
  const text = (name: string, own: string | undefined): string =>
    own ?? readImageFile(context.paths, image.layers, `etc/${name}`);
  const users = [...hostUsers, ...(passwdEntry === null ? [] : [expand(passwdEntry, values)])];
  const groups = groupEntry === null ? [] : [expand(groupEntry, values)];
  return {
    ...others,
    ...(users.length > 0 || passwd !== undefined
      ? { passwd: withLines(text("passwd", passwd), users) }
      : {}),
    ...(groups.length > 0 || group !== undefined
      ? { group: withLines(text("group", group), groups) }
      : {}),
  };
}

function expand(line: string, values: Readonly<Record<string, string>>): string {
  return line.replace(/\$([A-Z]+)/g, (word, name: string) => values[name] ?? word);
}

/** Instead of lines that have the same name: the first one counts for everybody who looks. */
function withLines(text: string, lines: readonly string[]): string {
  const names = new Set(lines.map((line) => line.split(":", 1).join()));
  const kept = text
    .split("\n")
    .filter((line) => line !== "" && !names.has(line.split(":", 1).join()));
  return [...kept, ...lines].map((line) => `${line}\n`).join("");
}
