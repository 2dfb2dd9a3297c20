/**
 * Artifacts: files in an image manifest (image-spec 1.1 manifest.md, "Guidelines for Artifact Usage"). Its layers are the
 * files, whatever their types; its config is empty, or something only its maker understands.
 */
import { TspodError } from "../errors.ts";
import { type Descriptor, parseDescriptor } from "./descriptor.ts";
import { type Digest, digestOf } from "./digest.ts";
import { mediaTypes } from "./media-types.ts";
import { asArray, asObject, optionalString, parseJson, stringMap } from "./narrow.ts";

export interface Artifact {
  /** "" when it does not say. */
  readonly artifactType: string;
  readonly config: Descriptor;
  readonly files: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** Annotations that have a meaning here (image-spec annotations.md). */
export const titleAnnotation = "org.opencontainers.image.title";
export const createdAnnotation = "org.opencontainers.image.created";

/** What the specification wants where there is no config. */
export const emptyConfigText = "{}";
const emptyConfig: Descriptor = {
  mediaType: "application/vnd.oci.empty.v1+json",
  digest: digestOf(emptyConfigText),
  sizeBytes: emptyConfigText.length,
};
/** podman's word for one whose maker has not said. */
export const unknownArtifactType = "application/vnd.unknown.artifact.v1";

export const fileCountMax = 1_000;
const annotationCountMax = 1_000;

/** Throws image.invalid. */
export function parseArtifact(text: string, what: string): Artifact {
  const place = `the manifest of ${what}`;
  const object = asObject(parseJson(text, place), place);
  if (object.manifests !== undefined || object.layers === undefined) {
    throw new TspodError("image.invalid", `Cannot use ${what}: it is no artifact, but an index`, {
      next: "name one of its manifests by digest: tspod manifest inspect shows them",
    });
  }
  return {
    artifactType: optionalString(object.artifactType, `${place}: artifactType`) ?? "",
    config: parseDescriptor(object.config, `${place}: config`),
    files: asArray(object.layers, `${place}: layers`, fileCountMax).map((item, i) =>
      parseDescriptor(item, `${place}: layers[${i}]`),
    ),
    annotations: stringMap(object.annotations, `${place}: annotations`, annotationCountMax),
  };
}

/** One that is made here: its config is empty. */
export function formatArtifact({
  artifactType,
  files,
  annotations,
}: Omit<Artifact, "config">): string {
  return JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    ...(artifactType === "" ? {} : { artifactType }),
    config: { ...wire(emptyConfig), data: Buffer.from(emptyConfigText).toString("base64") },
    layers: files.map((file) => ({ ...wire(file), annotations: file.annotations ?? {} })),
    annotations,
  });
}

const wire = ({ mediaType, digest, sizeBytes }: Descriptor) => ({
  ...{ mediaType, digest, size: sizeBytes },
});

/** What it is made of, each once: its config and its files. */
export function blobsOfArtifact({ config, files }: Artifact): Descriptor[] {
  const blobs = new Map<Digest, Descriptor>();
  for (const blob of [config, ...files]) blobs.set(blob.digest, blob);
  return [...blobs.values()];
}
