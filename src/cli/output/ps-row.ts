/** A container as `ps` shows it: docker's words and fields. Pure but for the clock handed in. */
import type { Container } from "../../container/index.ts";
import { formatDuration } from "../../lib/duration.ts";
import type { CreateOptions } from "../../spec/index.ts";

export interface PsRow {
  ID: string;
  Image: string;
  Command: string;
  CreatedAt: string;
  RunningFor: string;
  Status: string;
  State: string;
  Ports: string;
  Names: string;
  Labels: string;
  Networks: string;
  Mounts: string;
  Size: string;
  LocalVolumes: string;
  /** `{{.Label "com.example.owner"}}`; JSON leaves it away. */
  Label(name: string): string;
}

const shortIdLength = 12;
const commandLength = 20;

export function psRow(
  container: Container,
  options: { nowMs: number; isTruncated: boolean },
): PsRow {
  const asked = container.options as CreateOptions; // create recorded it
  const since = (time: string): string => formatDuration(options.nowMs - Date.parse(time));
  const command = container.command.join(" ");
  return {
    ID: options.isTruncated ? container.id.slice(0, shortIdLength) : container.id,
    Image: container.imageName,
    Command: quote(options.isTruncated ? shorten(command) : command),
    CreatedAt: container.createdAt,
    RunningFor: `${since(container.createdAt)} ago`,
    Status: statusWords(container, since),
    State: container.state.status,
    Ports: "",
    Names: container.name,
    Labels: Object.entries(container.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
    Networks: asked.network,
    Mounts: asked.mounts.map(({ destination }) => destination).join(","),
    Size: "",
    LocalVolumes: String(asked.mounts.filter(({ kind }) => kind === "volume").length),
    Label: (name) => (Object.hasOwn(container.labels, name) ? (container.labels[name] ?? "") : ""),
  };
}

function statusWords({ state }: Container, since: (time: string) => string): string {
  switch (state.status) {
    case "created":
      return "Created";
    case "running":
      return `Up ${since(state.startedAt)}${healthWords(state.health)}`;
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`;
    case "exited":
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`;
  }
}

/** Docker's. */
function healthWords(health: string | undefined): string {
  if (health === undefined) return "";
  return health === "starting" ? " (health: starting)" : ` (${health})`;
}

function shorten(text: string): string {
  return text.length > commandLength ? `${text.slice(0, commandLength - 1)}…` : text;
}

const quote = (text: string): string => `"${text}"`;
