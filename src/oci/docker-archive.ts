/**
 * `manifest.json` of docker's archives (moby image/spec v1.2, "Combined Image JSON + Filesystem Changeset Format"): which
 * entries are an image. Names in it are words to look entries up by. Pure.
 */
import { asArray, asObject, asString, optionalArray, parseJson, type Place } from "./narrow.ts";
import { layerCountMax } from "./manifest.ts";

export interface ArchivedImage {
  /** The entry with its config. */
  readonly config: string;
  /** Entries, base first. */
  readonly layers: readonly string[];
  /** "alpine:latest": as they are written, not checked. */
  readonly names: readonly string[];
}

export const archivedImageCountMax = 1_000;
const nameCountMax = 1_000;

/** Throws image.invalid naming the place. */
export function parseDockerArchive(text: string, what: string): ArchivedImage[] {
  const place: Place = `manifest.json of ${what}`;
  return asArray(parseJson(text, place), place, archivedImageCountMax).map((item, at) => {
    const here = `${place}[${at}]`;
    const object = asObject(item, here);
    const strings = (name: string, countMax: number): string[] =>
      (optionalArray(object[name], `${here}.${name}`, countMax) ?? []).map((each, i) =>
        asString(each, `${here}.${name}[${i}]`),
      );
    return {
      config: entryName(asString(object.Config, `${here}.Config`)),
      layers: strings("Layers", layerCountMax).map(entryName),
      names: strings("RepoTags", nameCountMax),
    };
  });
}

/** As entries are named when they are read: without "./" before it. */
const entryName = (text: string): string => text.replace(/^(?:\.\/+)+/, "");
