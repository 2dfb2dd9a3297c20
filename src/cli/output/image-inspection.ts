/** One image in the shape docker's and podman's scripts expect from `inspect`. */
import { type ImageContext, inspectImage } from "../../image/index.ts";
import { familiarName, parseReference } from "../../oci/index.ts";

/** Errors: image.not_found. */
export function imageInspection(context: ImageContext, name: string): object {
  const image = inspectImage(context, name);
  const { config } = image;
  const named = image.names.filter(({ reference }) => !reference.includes("@"));
  return {
    Id: image.id,
    Digest: image.manifestDigest,
    RepoTags: named.map(({ reference }) => reference),
    RepoDigests: image.names
      .filter(({ digest }) => digest !== "")
      .map(({ reference, digest }) => `${familiarName(parseReference(reference))}@${digest}`),
    Created: image.createdAt,
    Author: config.author,
    Architecture: config.platform.architecture,
    Os: config.platform.os,
    Variant: config.platform.variant,
    Size: image.sizeBytes,
    Config: {
      User: config.user,
      Env: config.env,
      Entrypoint: config.entrypoint,
      Cmd: config.cmd,
      WorkingDir: config.workingDir,
      Labels: config.labels,
      StopSignal: config.stopSignal,
      ExposedPorts: Object.fromEntries(config.exposedPorts.map((port) => [port, {}])),
      Volumes: Object.fromEntries(config.volumes.map((volume) => [volume, {}])),
    },
    RootFS: { Type: "layers", Layers: config.diffIds },
  };
}
