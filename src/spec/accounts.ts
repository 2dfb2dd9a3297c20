/** passwd(5) and group(5) of an image, as far as a container's own user must be in them. Pure. */

export interface Account {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

/** The text with a line for the user; undefined when one has that uid already. */
export function addUser(passwd: string, account: Account): string | undefined {
  const users = fields(passwd);
  if (users.some(([, , uid]) => Number(uid) === account.uid)) return undefined;
  const name = freeName(account.name, users);
  const { uid, gid, home } = account;
  return withLine(passwd, `${name}:*:${uid}:${gid}:${name}:${home}:/bin/sh`);
}

/** The text with a line for the group; undefined when one has that gid already. */
export function addGroup(
  group: string,
  { name, gid }: Pick<Account, "name" | "gid">,
): string | undefined {
  const groups = fields(group);
  if (groups.some(([, , id]) => Number(id) === gid)) return undefined;
  return withLine(group, `${freeName(name, groups)}:x:${gid}:`);
}

/** nobody and above: ids that mean nothing in particular. */
const ordinaryIdMax = 65_533;

/** The largest id either file gives to somebody in particular. */
export function largestId(passwd: string, group: string): number {
  const ids = [
    ...fields(passwd).flatMap(([, , uid, gid]) => [Number(uid), Number(gid)]),
    ...fields(group).map(([, , gid]) => Number(gid)),
  ];
  return Math.max(0, ...ids.filter((id) => id <= ordinaryIdMax));
}

function fields(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((parts) => /^\d+$/.test(parts[2] ?? ""));
}

/** A name is somebody's with another id: numbers make it another one. */
function freeName(name: string, taken: readonly string[][]): string {
  const names = new Set(taken.map(([one]) => one));
  let free = name;
  for (let i = 1; names.has(free); i++) free = `${name}${i}`;
  return free;
}

function withLine(text: string, line: string): string {
  const ended = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  return `${ended}${line}\n`;
}
