/** A container as `ps` shows it: docker's words and fields, and podman's besides. Pure but for the clock handed in. */
import {
  type Container,
  exposedOf,
  isUp,
  portsOf,
  restartCountOf,
  statusOf,
} from "../../container/index.ts";
import { formatDuration } from "../../lib/duration.ts";
import { formatPorts } from "../../network/show.ts";
import { type CreateOptions, formatNetworkMode } from "../../spec/index.ts";

export interface PsRowOptions {
  nowMs: number;
  isTruncated: boolean;
  /** Where somebody asked for it. */
  size?: (container: Container) => string;
}

const shortIdLength = 12;
const commandLength = 20;

const asked = ({ options }: Container): CreateOptions => options as CreateOptions; // create recorded it

const textFields = {
  ID: ({ id }, { isTruncated }) => (isTruncated ? id.slice(0, shortIdLength) : id),
  Image: ({ imageName }) => imageName,
  ImageID: ({ imageId }) => imageId,
  Command: ({ command }, { isTruncated }) => {
    const text = command.join(" ");
    return `"${isTruncated ? shorten(text) : text}"`;
  },
  CreatedAt: ({ createdAt }) => formatCreatedAt(createdAt),
  RunningFor: ({ createdAt }, options) => `${since(createdAt, options)} ago`,
  CreatedHuman: ({ createdAt }, options) => `${since(createdAt, options)} ago`,
  Status: statusWords,
  State: (container) => statusOf(container),
  Ports: ports,
  Names: ({ name }) => name,
  Labels: ({ labels }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(","),
  Networks: (container) => formatNetworkMode(asked(container).network),
  Mounts: (container) =>
    asked(container)
      .mounts.map(({ destination }) => destination)
      .join(","),
  Size: (container, { size }) => size?.(container) ?? "",
  LocalVolumes: (container) =>
    String(asked(container).mounts.filter(({ kind }) => kind === "volume").length),
  Pod: () => "",
  PodName: () => "",
} satisfies Record<string, (container: Container, options: PsRowOptions) => string>;

export type PsTextField = keyof typeof textFields;

export function psField(field: PsTextField, container: Container, options: PsRowOptions): string {
  return textFields[field](container, options);
}

export type PsRow = Record<PsTextField, string> & ReturnType<typeof otherFields>;

/** Every field, for templates and JSON. */
export function psRow(container: Container, options: PsRowOptions): PsRow {
  const texts = Object.entries(textFields).map(([field, of]) => [field, of(container, options)]);
  const all = Object.fromEntries(texts) as Record<PsTextField, string>; // one of each
  return { ...all, ...otherFields(container) };
}

/** Their names, also where there is no container. */
export function psFields(): string[] {
  const state = { status: "created" } as const;
  const nobody = { state, createdAt: "", autoRemove: false, labels: {} } as unknown as Container; // all that is asked for
  return [...Object.keys(textFields), ...Object.keys(otherFields(nobody))];
}

/** Times are seconds since 1970, 0 when it has not been. */
function otherFields(container: Container) {
  const { state, createdAt, autoRemove, labels } = container;
  return {
    Created: seconds(createdAt),
    StartedAt: state.status === "created" ? 0 : seconds(state.startedAt),
    ExitedAt: state.status === "exited" ? seconds(state.finishedAt) : 0,
    Exited: state.status === "exited",
    ExitCode: state.status === "exited" ? state.exitCode : 0,
    Pid: state.status === "running" ? state.pid : 0,
    ...{ AutoRemove: autoRemove, IsInfra: false },
    Restarts: restartCountOf(container),
    /** `{{.Label "com.example.owner"}}`; JSON leaves it away. */
    Label: (name: string): string => (Object.hasOwn(labels, name) ? (labels[name] ?? "") : ""),
  };
}

/** docker's: of one that does not run none is there. */
function ports(container: Container): string {
  if (!isUp(container.state)) return "";
  const { networking, details } = asked(container);
  if (networking === undefined && details === undefined) return "";
  return formatPorts(portsOf(container), exposedOf(container));
}

function statusWords(container: Container, options: PsRowOptions): string {
  const { state } = container;
  switch (state.status) {
    case "created":
      return "Created";
    case "running": {
      const paused = statusOf(container) === "paused" ? " (Paused)" : "";
      return `Up ${since(state.startedAt, options)}${paused}${healthWords(state.health)}`;
    }
    case "restarting":
      return `Restarting (${state.exitCode}) ${since(state.finishedAt, options)} ago`;
    case "exited":
      return `Exited (${state.exitCode}) ${since(state.finishedAt, options)} ago`;
  }
}

/** Docker's. */
function healthWords(health: string | undefined): string {
  if (health === undefined) return "";
  return health === "starting" ? " (health: starting)" : ` (${health})`;
}

const since = (time: string, { nowMs }: PsRowOptions): string =>
  formatDuration(nowMs - Date.parse(time));

/** Docker's way of writing it, in UTC: the name of another zone would cost more than the rest of the list. */
function formatCreatedAt(time: string): string {
  return `${time.slice(0, "2026-01-01".length)} ${time.slice(11, 19)} +0000 UTC`;
}

const seconds = (time: string): number => Math.floor(Date.parse(time) / 1000);

function shorten(text: string): string {
  return text.length > commandLength ? `${text.slice(0, commandLength - 1)}…` : text;
}
