/**
 * Archives of docker before 1.10 (2016; moby image/spec v1): `repositories` names images by the id of their topmost layer,
 * `ID/json` tells of each layer, and which is below it. What came later, a config that has all layers, is made of those as
 * docker itself does.
 */
import {
  asObject,
  type JsonObject,
  optionalObject,
  optionalString,
  parseJson,
  stringList,
} from "../../oci/narrow.ts";
import { layerCountMax } from "../../oci/index.ts";
import { archivedImageCountMax, type ArchivedImage } from "../../oci/docker-archive.ts";
import type { Spool } from "./spool.ts";

/** Words of one layer that say nothing of the image (moby image/v1, MakeConfigFromV1Config). */
const ofLayer = ["id", "parent", "Size", "parent_id", "layer_id", "throwaway"];
const commandWordsMax = 10_000;

/** Each with its names, its config among the spool's texts. Errors: image.invalid. */
export async function legacyImages(
  spool: Spool,
  repositories: string,
  what: string,
): Promise<ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  for (const [id, names] of namesById(spool, repositories, what)) {
    if (images.length >= archivedImageCountMax) throw spool.invalid("it has too many images");
    const chain = await chainOf(spool, id, what);
    const layers = chain.map((layer) => `${layer.id}/layer.tar`);
    const config = `${id}/config`;
    spool.remember(config, configOf(spool, chain, layers, what));
    images.push({ config, layers, names });
  }
  return images;
}

/** {"app": {"1": "<id>"}}. */
function namesById(spool: Spool, text: string, what: string): Map<string, string[]> {
  const place = `repositories of ${what}`;
  const byId = new Map<string, string[]>();
  for (const [name, tags] of Object.entries(asObject(parseJson(text, place), place))) {
    for (const [tag, value] of Object.entries(asObject(tags, `${place}: ${name}`))) {
      const id = idOf(spool, value);
      byId.set(id, [...(byId.get(id) ?? []), `${name}:${tag}`]);
    }
  }
  return byId;
}

function idOf(spool: Spool, value: unknown): string {
  if (typeof value === "string" && /^[0-9a-f]{64}$/.test(value)) return value;
  throw spool.invalid(`${JSON.stringify(value)?.slice(0, 100)} is no id of a layer`);
}

interface Layer {
  readonly id: string;
  readonly json: JsonObject;
}

/** Base first. */
async function chainOf(spool: Spool, top: string, what: string): Promise<Layer[]> {
  const chain: Layer[] = [];
  for (let id: string | undefined = top; id !== undefined;) {
    if (chain.length >= layerCountMax) {
      throw spool.invalid(`the image ${top.slice(0, 12)} has more than ${layerCountMax} layers`);
    }
    const place = `${id}/json of ${what}`;
    const json = asObject(parseJson(await spool.text(`${id}/json`), place), place);
    chain.unshift({ id, json });
    const { parent = "" } = json;
    id = parent === "" || parent === null ? undefined : idOf(spool, parent);
  }
  return chain;
}

function configOf(
  spool: Spool,
  chain: readonly Layer[],
  layers: readonly string[],
  what: string,
): string {
  const top = chain.at(-1)?.json ?? {};
  const config = Object.entries(top).filter(([name]) => !ofLayer.includes(name));
  const diffIds = layers.map((name) => {
    const layer = spool.layer(name);
    return "diffId" in layer ? layer.diffId : layer.digest;
  });
  const history = chain.map(({ id, json }) => historyOf(json, `${id}/json of ${what}`));
  return JSON.stringify({
    ...Object.fromEntries(config),
    rootfs: { type: "layers", diff_ids: diffIds },
    history,
  });
}

function historyOf(json: JsonObject, place: string): object {
  const ran = optionalObject(json.container_config, `${place}: container_config`) ?? {};
  const words = stringList(ran.Cmd, `${place}: container_config.Cmd`, commandWordsMax);
  const [created, author, comment] = (["created", "author", "comment"] as const).map((name) =>
    optionalString(json[name], `${place}: ${name}`),
  );
  return {
    ...(created === undefined ? {} : { created }),
    ...(author ? { author } : {}),
    ...(words.length === 0 ? {} : { created_by: words.join(" ") }),
    ...(comment ? { comment } : {}),
  };
}
