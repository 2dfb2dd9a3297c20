/** What is said of an image in a manifest list: the flags that `manifest add` and `manifest annotate` share. */
import { TspodError } from "../../errors.ts";
import type { EntryChanges } from "../../image/index.ts";
import { type FlagValues, list, value } from "../flags.ts";

export const entryFlags = {
  annotation: list("--annotation", "KEY=VALUE", "Attach an annotation"),
  arch: value("--arch", "ARCH", "Its architecture, instead of what it says"),
  os: value("--os", "OS", "Its system"),
  osVersion: value("--os-version", "VERSION", "The system's version it needs"),
  osFeatures: list("--os-features", "FEATURE", "What it needs of the system"),
  features: list("--features", "FEATURE", "What it needs of the processor"),
  variant: value("--variant", "VARIANT", "Variant of its architecture"),
} as const;

export function entryChanges(flags: FlagValues<typeof entryFlags>): EntryChanges {
  const { arch, os, variant, osVersion } = flags;
  return {
    ...(arch === null ? {} : { architecture: arch }),
    ...(os === null ? {} : { os }),
    ...(variant === null ? {} : { variant }),
    ...(osVersion === null ? {} : { osVersion }),
    osFeatures: flags.osFeatures.flatMap((text) => text.split(",")),
    features: flags.features.flatMap((text) => text.split(",")),
    annotations: parseAnnotations(flags.annotation),
  };
}

export function parseAnnotations(texts: readonly string[]): Record<string, string> {
  const pairs = texts.map((text): [string, string] => {
    const equals = text.indexOf("=");
    if (equals > 0) return [text.slice(0, equals), text.slice(equals + 1)];
    throw new TspodError("usage", `Invalid annotation "${text}"`, { next: "write it KEY=VALUE" });
  });
  return Object.fromEntries(pairs);
}
