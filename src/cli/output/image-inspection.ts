/** One image in the shape docker's and podman's scripts expect from `inspect`. */
import { type ImageContext, inspectImage } from "../../image/index.ts";
import type { JsonObject } from "../../oci/narrow.ts";
import { familiarName, parseReference } from "../../oci/index.ts";
import { layerTree } from "../../store/layers.ts";

/** Errors: image.not_found. */
export function imageInspection(context: ImageContext, name: string): object {
  const image = inspectImage(context, name);
  const { config } = image;
  const named = image.names.filter(({ reference }) => !reference.includes("@"));
  const manifest = JSON.parse(image.manifest) as JsonObject; // parsed when it came into the store
  const whole = JSON.parse(image.configText) as JsonObject; // as above
  const madeBy = typeof whole.docker_version === "string" ? whole.docker_version : "";
  return {
    Id: image.id,
    Digest: image.manifestDigest,
    RepoTags: named.map(({ reference }) => reference),
    RepoDigests: image.names
      .filter(({ digest }) => digest !== "")
      .map(({ reference, digest }) => `${familiarName(parseReference(reference))}@${digest}`),
    Parent: "",
    Comment: config.history.at(-1)?.comment ?? "",
    Created: image.createdAt,
    Author: config.author,
    ...{ DockerVersion: madeBy, Version: madeBy },
    Architecture: config.platform.architecture,
    Os: config.platform.os,
    Variant: config.platform.variant,
    Size: image.sizeBytes,
    VirtualSize: image.sizeBytes,
    User: config.user,
    HealthCheck: config.healthcheck && healthcheck(config.healthcheck),
    Labels: config.labels,
    Annotations: manifest.annotations ?? {},
    ManifestType: manifest.mediaType ?? "application/vnd.oci.image.manifest.v1+json",
    Config: {
      User: config.user,
      Env: config.env,
      Entrypoint: config.entrypoint,
      Cmd: config.cmd,
      WorkingDir: config.workingDir,
      Labels: config.labels,
      StopSignal: config.stopSignal,
      ExposedPorts: keySet(config.exposedPorts),
      Volumes: keySet(config.volumes),
      OnBuild: config.onBuild,
      Shell: config.shell,
      ...(config.healthcheck === undefined ? {} : { Healthcheck: healthcheck(config.healthcheck) }),
    },
    GraphDriver: {
      Name: "overlay",
      Data: graphData(image.layers.map((chainId) => layerTree(context.paths, chainId))),
    },
    RootFS: { Type: "layers", Layers: config.diffIds },
    History: config.history.map(({ created, createdBy, author, comment, emptyLayer }) => ({
      ...{ created, created_by: createdBy },
      ...(author === "" ? {} : { author }),
      ...(comment === "" ? {} : { comment }),
      ...(emptyLayer ? { empty_layer: true } : {}),
    })),
    NamesHistory: named.map(({ reference }) => reference),
    Metadata: { LastTagTime: image.pulledAt },
  };
}

/** Go's way of writing a set. */
const keySet = (keys: readonly string[]): object =>
  Object.fromEntries(keys.map((key) => [key, {}]));

type Healthcheck = NonNullable<ReturnType<typeof inspectImage>["config"]["healthcheck"]>;

const healthcheck = (check: Healthcheck): object => ({
  Test: check.test,
  Interval: check.intervalNs,
  Timeout: check.timeoutNs,
  StartPeriod: check.startPeriodNs,
  ...(check.startIntervalNs === 0 ? {} : { StartInterval: check.startIntervalNs }),
  Retries: check.retries,
});

/** Topmost first. */
function graphData([upper, ...lower]: readonly string[]): object {
  return {
    ...(upper === undefined ? {} : { UpperDir: upper }),
    ...(lower.length === 0 ? {} : { LowerDir: lower.join(":") }),
  };
}
