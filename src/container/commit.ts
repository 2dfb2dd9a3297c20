/** Makes an image of what a container is now: its changes become a layer over its image, or all of it becomes one. */
import { TspodError } from "../errors.ts";
import { pauseGroup, sendChunks, type SendOptions } from "../helper/index.ts";
import type { ImageRecord } from "../image/index.ts";
import {
  applyInstruction,
  creationTime,
  type ImageFormat,
  keepBase,
  localName,
  makeImage,
  makeLayer,
} from "../image/make.ts";
import type { Digest } from "../oci/index.ts";
import type { JsonObject } from "../oci/narrow.ts";
import {
  type CreateOptions,
  defaultDetails,
  formatSignal,
  type HelperSettings,
  mergeEnvironment,
  withoutVariables,
} from "../spec/index.ts";
import { isFrozen } from "../store/containers.ts";
import { explainWrite } from "../store/content.ts";
import { transact } from "../store/database.ts";
import { keepLease, type Lease, pausePrefix } from "../store/leases.ts";
import { ownMountPoints, upperOf } from "./changes.ts";
import type { ContainerContext } from "./context.ts";
import { placeOf, tellingWhy, verbOf } from "./copy.ts";
import { recordContainerEvent } from "./events.ts";
import { readContainerFile } from "./files.ts";
import type { Container } from "./find.ts";

export interface CommitOptions {
  /** Null: the image gets no name. */
  name: string | null;
  author: string;
  message: string;
  /** Dockerfile instructions, in order. */
  changes: readonly string[];
  format: ImageFormat;
  /** Let nothing in it go on meanwhile. */
  pauses: boolean;
  /** One layer instead of its image's and one more. */
  squashes: boolean;
  /** Where something was mounted for it is a volume of the image. */
  includesVolumes: boolean;
}

/** The image's id. Errors: usage, files.refused, image.invalid, reference.invalid, store.full, host.*. */
export async function commitContainer(
  context: ContainerContext,
  container: Container,
  options: CommitOptions,
): Promise<Digest> {
  if (options.name !== null) localName(options.name); // what is wrong with it is said first
  if ((container.options as CreateOptions).rootfs !== undefined) {
    throw new TspodError(
      "files.refused",
      `Cannot commit "${container.name}": it stands on no image`,
      {
        next: `make one of all it has: tspod export ${container.name} | tspod import - IMAGE`,
      },
    );
  }
  using kept = new DisposableStack();
  const base = keepBase(context, container.imageId, kept);
  const asked = container.options as CreateOptions; // create recorded it
  const before = configOf(base, asked, container);
  const made = options.includesVolumes ? withVolumes(before, asked) : before;
  const config = options.changes.reduce(applyInstruction, made);
  const source = sourceOf(context, container, options.squashes || base === undefined);
  const below = source.isBare === true ? undefined : base;
  try {
    await using _paused = options.pauses ? await pause(context, container) : null;
    const layer = await tellingWhy({ from: container.name, to: "an image" }, () =>
      makeLayer(
        context,
        {
          bytes: sendChunks(verbOf(context), source),
          below: below?.config.diffIds ?? [],
          what: `the changes of "${container.name}"`,
        },
        kept,
      ),
    );
    const { name, author, message: comment, format } = options;
    const image = {
      ...{ config, layer, name, author, comment, format, how: "commit" },
      ...(below === undefined ? {} : { base: below }),
      createdBy: container.command.join(" "),
      created: creationTime(context.environment, context.now()),
    };
    const id = await makeImage(context, image, kept);
    recordContainerEvent(context, "commit", container, { image: id });
    return id;
  } catch (error) {
    throw explainWrite(error, context.paths);
  }
}

/** Its upper directory as a layer; where nothing keeps its changes apart, or all is wanted: its whole root. */
function sourceOf(context: ContainerContext, container: Container, isWhole: boolean): SendOptions {
  const what = { path: "/", name: "", isLayer: true, except: ownMountPoints(context, container) };
  const upper = isWhole ? null : upperOf(context, container);
  if (upper === null) return { ...what, place: placeOf(context, { container }), isBare: true };
  const { rootfs } = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  return { ...what, place: upper, hasMarks: rootfs.kind === "fuse-overlayfs" };
}

/** Less what --unsetenv took away. */
function keptOfImage(env: readonly string[], { details = defaultDetails }: CreateOptions) {
  return details.unsetsAll ? [] : withoutVariables(env, details.unset);
}

/** What it was created with, over what its image says. */
function configOf(
  base: ImageRecord | undefined,
  asked: CreateOptions,
  container: Container,
): JsonObject {
  const image = base?.config;
  const whole = base === undefined ? {} : (JSON.parse(base.configText) as JsonObject); // parsed when it came into the store
  const before = (whole.config ?? {}) as JsonObject; // an object, or parseImageConfig() had refused it
  const { entrypoint, command, user, workdir, stopSignal } = asked;
  const imageCommand = entrypoint === null ? (image?.cmd ?? []) : [];
  return {
    ...before,
    Env: mergeEnvironment(keptOfImage(image?.env ?? [], asked), asked.environment),
    ...(entrypoint === null ? {} : { Entrypoint: entrypoint }),
    Cmd: command.length > 0 ? command : imageCommand,
    ...(user === null ? {} : { User: user }),
    ...(workdir === null ? {} : { WorkingDir: workdir }),
    ...(stopSignal === null ? {} : { StopSignal: formatSignal(stopSignal) }),
    Labels: container.labels,
  };
}

/** podman's: of what is mounted there nothing goes along. */
function withVolumes(config: JsonObject, { mounts }: CreateOptions): JsonObject {
  const own = mounts.filter(({ kind }) => kind === "bind" || kind === "volume");
  const added = Object.fromEntries(own.map(({ destination }) => [destination, {}]));
  const before = (config.Volumes ?? {}) as JsonObject; // an object, or parseImageConfig() had refused it
  return { ...config, Volumes: { ...before, ...added } };
}

/** Until it is disposed of. Null: it does not run, is paused already, or has no cgroup to be paused by. */
async function pause(
  context: ContainerContext,
  { id, state }: Container,
): Promise<AsyncDisposable | null> {
  if (state.status !== "running" || state.cgroup === "" || isFrozen(state.cgroup)) return null;
  await using kept = new AsyncDisposableStack();
  // should both we and the process that pauses it be killed, the next command lets it go on
  const note = (): Lease => keepLease(context.database, `${pausePrefix}${id}`);
  kept.use(transact(context.database, note, { durable: false }));
  try {
    kept.use(await pauseGroup(verbOf(context), state.cgroup));
    return kept.move();
  } catch (cause) {
    throw new TspodError(
      "container.start_failed",
      "Cannot pause the container while it is committed",
      {
        next: "--pause=false does without",
        cause,
      },
    );
  }
}
