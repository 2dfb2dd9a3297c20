/** `Config` of `inspect`: what the container runs, and how. What the caller left open is the image's. */
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import { type CreateOptions, formatSignal, type HelperSettings } from "../spec/index.ts";
import { portMap } from "../network/show.ts";
import { findImageSayings, type ImageSayings } from "../store/image-sayings.ts";
import { type CheckFile, readContainerFile } from "./files.ts";
import type { Container, Store } from "./find.ts";
import { exposedOf, portsOf } from "./asked.ts";
import { inspectHealthcheck } from "./inspect-health.ts";
import { inspectSecrets } from "./inspect-mounts.ts";

export interface InspectedFiles {
  /** Undefined: it has been removed by force. */
  image: ImageSayings | undefined;
  config: RuntimeSpec;
  helper: HelperSettings;
}

export function inspectConfig(
  context: Store,
  container: Container,
  { image, config, helper }: InspectedFiles,
) {
  const options = container.options as CreateOptions; // create recorded it
  const { command, entrypoint } = commandOf(options, image);
  return {
    Hostname: config.hostname ?? "",
    Domainname: config.domainname ?? "",
    User: helper.user,
    AttachStdin: options.interactive,
    AttachStdout: true,
    AttachStderr: true,
    ExposedPorts: exposedPorts(container, image),
    Tty: options.tty,
    OpenStdin: options.interactive,
    StdinOnce: false,
    Env: config.process.env,
    Cmd: command,
    Entrypoint: entrypoint,
    Image: container.imageName,
    Volumes: volumes(image),
    WorkingDir: config.process.cwd,
    OnBuild: null,
    Labels: container.labels,
    Annotations: config.annotations ?? {},
    StopSignal: formatSignal(helper.stopSignal),
    StopTimeout: helper.stopTimeoutMs / 1000,
    Umask: octal(config.process.user.umask ?? 0),
    ...inspectHealthcheck(helper.health, {
      usual: helper.health && checkWords(context, container.id, "health-exec.json"),
      first: helper.health?.startup && checkWords(context, container.id, "startup-exec.json"),
    }),
    Timeout: (helper.lifetimeMs ?? 0) / 1000,
    Passwd: options.details?.accounts?.areWritten ?? true,
    ...inspectSecrets(options),
    ...{ SystemdMode: options.details?.systemd === "always", sdNotifyMode: "container" },
  };
}

/** The command that asks it how it is. */
function checkWords(context: Store, id: string, file: CheckFile): string[] {
  return readContainerFile<RuntimeSpec>(context, id, file).process.args;
}

export function imageOf({ database }: Store, { imageId }: Container): ImageSayings | undefined {
  return imageId === "" ? undefined : findImageSayings(database, imageId); // a directory of the host
}

/** As docker: another entrypoint makes the image's command mean nothing. */
function commandOf(options: CreateOptions, image: ImageSayings | undefined) {
  const entrypoint = options.entrypoint ?? image?.entrypoint ?? null;
  const usual = options.entrypoint === null ? (image?.cmd ?? []) : [];
  return { entrypoint, command: options.command.length > 0 ? options.command : usual };
}

/** docker counts what is published. */
function exposedPorts(container: Container, image: ImageSayings | undefined) {
  const published = Object.keys(portMap(portsOf(container)));
  const ports = [...(image?.exposedPorts ?? []), ...exposedOf(container), ...published];
  return Object.fromEntries(ports.map((port) => [port, {}]));
}

function volumes(image: ImageSayings | undefined): Record<string, object> | null {
  const all = image?.volumes ?? [];
  return all.length === 0 ? null : Object.fromEntries(all.map((volume) => [volume, {}]));
}

const octal = (mode: number): string => mode.toString(8).padStart(4, "0");
