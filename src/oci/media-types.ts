/** Media types of image-spec 1.1 (media-types.md) and of Docker's schema 2, which mean the same things. */

export const mediaTypes = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar",
  layerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  layerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerIndex: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerSchema1: "application/vnd.docker.distribution.manifest.v1+json",
  dockerSchema1Signed: "application/vnd.docker.distribution.manifest.v1+prettyjws",
} as const;

/** What we ask a registry for, in the Accept header. */
export const acceptedManifests = [
  mediaTypes.index,
  mediaTypes.manifest,
  mediaTypes.dockerIndex,
  mediaTypes.dockerManifest,
] as const;

const configTypes: ReadonlySet<string> = new Set([mediaTypes.config, mediaTypes.dockerConfig]);
const indexTypes: ReadonlySet<string> = new Set([mediaTypes.index, mediaTypes.dockerIndex]);
const manifestTypes: ReadonlySet<string> = new Set([
  mediaTypes.manifest,
  mediaTypes.dockerManifest,
]);
const schema1Types: ReadonlySet<string> = new Set([
  mediaTypes.dockerSchema1,
  mediaTypes.dockerSchema1Signed,
]);

/**
 * A layer we can unpack. How it is compressed is read from its first bytes, for publishers get the suffix wrong;
 * foreign and non-distributable ones are layers too.
 */
const layerPattern = new RegExp(
  "^application/vnd\\.(?:oci\\.image\\.layer\\.(?:nondistributable\\.)?v1\\.tar(?:\\+(?:gzip|zstd))?" +
    "|docker\\.image\\.rootfs\\.(?:foreign\\.)?diff\\.tar(?:[.+](?:gzip|zstd))?)$",
);

export const isIndexType = (type: string): boolean => indexTypes.has(type);
export const isManifestType = (type: string): boolean => manifestTypes.has(type);
export const isConfigType = (type: string): boolean => configTypes.has(type);
export const isSchema1Type = (type: string): boolean => schema1Types.has(type);
export const isLayerType = (type: string): boolean => layerPattern.test(type);
