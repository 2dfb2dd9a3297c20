/** Content descriptors (image-spec descriptor.md): what a thing is called, how large it is, what it hashes to. */
import { type Digest, parseDigest } from "./digest.ts";
import {
  asObject,
  asSize,
  asString,
  optionalObject,
  optionalString,
  type Place,
  stringList,
  stringMap,
} from "./narrow.ts";
import { normalise, type Platform } from "./platform.ts";

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Only in an index. */
  readonly platform?: Platform;
  /** Where else it can be had (foreign layers). */
  readonly urls?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

const annotationCountMax = 1_000;
const urlCountMax = 16;

/** Throws image.invalid or digest.invalid, naming the place. */
export function parseDescriptor(value: unknown, place: Place): Descriptor {
  const object = asObject(value, place);
  const platform = optionalObject(object.platform, `${place}.platform`);
  const urls = stringList(object.urls, `${place}.urls`, urlCountMax);
  const annotations = stringMap(object.annotations, `${place}.annotations`, annotationCountMax);
  return {
    mediaType: asString(object.mediaType, `${place}.mediaType`),
    digest: parseDigest(asString(object.digest, `${place}.digest`)),
    sizeBytes: asSize(object.size, `${place}.size`),
    ...(platform === undefined
      ? {}
      : { platform: parsePlatformObject(platform, `${place}.platform`) }),
    ...(urls.length === 0 ? {} : { urls }),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

function parsePlatformObject(object: Record<string, unknown>, place: Place): Platform {
  return normalise(
    optionalString(object.os, `${place}.os`) ?? "linux",
    optionalString(object.architecture, `${place}.architecture`) ?? "",
    optionalString(object.variant, `${place}.variant`),
  );
}
