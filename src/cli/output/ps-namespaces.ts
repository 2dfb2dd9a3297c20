/** `ps --ns`: the namespaces of what runs, by the kernel's numbers (namespaces(7)). */
import { readlinkSync } from "node:fs";
import type { Container } from "../../container/index.ts";
import type { Column } from "./table.ts";

const kinds = [
  ["CGROUPNS", "Cgroup", "cgroup"],
  ["IPC", "IPC", "ipc"],
  ["MNT", "MNT", "mnt"],
  ["NET", "NET", "net"],
  ["PIDNS", "PIDNS", "pid"],
  ["USERNS", "UserNS", "user"],
  ["UTS", "UTS", "uts"],
] as const;

type Field = "ID" | "Names" | "Pid" | (typeof kinds)[number][1];
export type NamespaceRow = Record<Field, string>;

export const namespaceColumns: Column<NamespaceRow>[] = [
  ["CONTAINER ID", "ID"] as const,
  ["NAMES", "Names"] as const,
  ["PID", "Pid"] as const,
  ...kinds,
].map(([header, field]) => ({ header, field, cell: (row) => row[field] }));

export function namespaceRow(
  { id, name, state }: Container,
  options: { isTruncated: boolean },
): NamespaceRow {
  const pid = state.status === "running" ? state.pid : 0;
  const numbers = kinds.map(([, field, file]) => [field, namespaceNumber(pid, file)]);
  const shown = options.isTruncated ? id.slice(0, 12) : id;
  const all = Object.fromEntries([
    ["ID", shown],
    ["Names", name],
    ["Pid", String(pid)],
    ...numbers,
  ]);
  return all as NamespaceRow; // each field has just been given
}

/** Podman's fields for templates: each namespace by both its names, and all together. */
export function namespaceValues(container: Container) {
  const numbers = namespaceRow(container, { isTruncated: true });
  const { Cgroup, IPC, MNT, NET, PIDNS, UserNS, UTS } = numbers;
  return {
    ...{ Cgroup, CGROUPNS: Cgroup, IPC, MNT, NET, PIDNS, UTS },
    ...{ User: UserNS, USERNS: UserNS, UserNS },
    Namespaces: { Cgroup, IPC, UTS, Mnt: MNT, Net: NET, PIDNS, User: UserNS },
  };
}

/** "" of what does not run. */
function namespaceNumber(pid: number, file: string): string {
  if (pid === 0) return "";
  try {
    return /\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/${file}`))?.[1] ?? "";
  } catch {
    return ""; // it has ended meanwhile
  }
}
