/** The door of oci: pure nouns of the image and distribution specifications. No I/O, no clock. */
export * from "./digest.ts";
export * from "./reference.ts";
export * from "./registry-name.ts";
export * from "./platform.ts";
export * from "./media-types.ts";
export * from "./descriptor.ts";
export * from "./manifest.ts";
export * from "./image-config.ts";
export * from "./artifact.ts";
