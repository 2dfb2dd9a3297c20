/** The second door of image: making images out of what is here. Loaded only by who does. */
export { applyInstruction } from "./instructions.ts";
export { makeLayer } from "./make-layer.ts";
export { creationTime, type ImageFormat, keepBase, localName, makeImage } from "./make-image.ts";
