/** `tspod pull`. */
import { TspodError } from "../errors.ts";
import { ensureImage, loadPullMany, type NamedPull, pullImage } from "../image/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import { forEachArgument } from "./each.ts";
import { boolean, type FlagValues, value } from "./flags.ts";
import { parsePlatformFlags } from "./options/platform.ts";
import { parseProgress, progressFlags } from "./options/progress.ts";
import { accessFlags } from "./options/registry.ts";
import { registryAccess } from "./options/registry-values.ts";
import { showPullProgress } from "./output/pull-progress.ts";

const policies = ["always", "missing", "never", "newer"] as const;
const platforms = ["linux/amd64", "linux/arm64"] as const;

const flags = {
  platform: value("--platform", "OS/ARCH", "Platform of the image", platforms),
  arch: value("--arch", "ARCH", "Architecture of the image"),
  os: value("--os", "OS", "System of the image"),
  variant: value("--variant", "VARIANT", "Variant of the architecture, as in v7"),
  allPlatforms: boolean("--all-platforms", "Every one for Linux"),
  allTags: boolean("-a,--all-tags", "Every tag of the repository"),
  policy: value("--policy", "POLICY", "always, missing, never or newer", policies),
  quiet: boolean("-q,--quiet", "Only the image's id"),
  contentTrust: {
    ...boolean("--disable-content-trust", "For docker's scripts: changes nothing"),
    isOnByDefault: true,
  },
  ...progressFlags,
  ...accessFlags,
} as const;

export default defineCommand({
  path: ["pull"],
  usage: "IMAGE [IMAGE...]",
  summary: "Fetch images from their registry",
  flags,
  args: { min: 1, max: Infinity, completes: "image" },
  refused: { "--decryption-key": "images are not encrypted here" },
  check(given) {
    parsePolicy(given.policy);
    parseProgress(given.progress);
    refuseMixtures(given);
  },
  async run(context, given, args) {
    showPullProgress(context, { quiet: given.quiet, kind: parseProgress(given.progress) });
    const access = await registryAccess(given);
    const platform = parsePlatformFlags(given);
    const policy = parsePolicy(given.policy);
    const base = { access, ...(platform === null ? {} : { platform }) };
    return forEachArgument(context, args, async (argument) => {
      const ids = new Set<string>();
      const name = argument.replace(/^docker:\/\//, "");
      for (const one of await namesOf(context, given, { name, access })) {
        const options = {
          ...base,
          ...(one.platform === undefined ? {} : { platform: one.platform }),
        };
        const image =
          policy === "always"
            ? await pullImage(context, one.name, options)
            : await ensureImage(context, one.name, { ...options, pull: policy });
        ids.add(image.id.replace(/^sha256:/, ""));
      }
      return [...ids].join("\n");
    });
  },
});

type Given = FlagValues<typeof flags>;

async function namesOf(
  context: CliContext,
  { allTags, allPlatforms }: Given,
  { name, access }: { name: string; access: Awaited<ReturnType<typeof registryAccess>> },
): Promise<NamedPull[]> {
  if (!allTags && !allPlatforms) return [{ name }];
  const { namesOfPlatforms, namesOfTags } = await loadPullMany();
  if (allPlatforms) return namesOfPlatforms(context, name, access);
  if (!name.includes("@") && !/:[^/]*$/.test(name)) return namesOfTags(context, name, access);
  throw new TspodError("usage", `--all-tags takes a name without a tag, not "${name}"`, {
    next: "leave the tag away",
  });
}

function refuseMixtures({ allTags, allPlatforms, platform, arch, os, variant }: Given): void {
  const isOne = [platform, arch, os, variant].some((part) => part !== null);
  if (!(allPlatforms && (allTags || isOne))) return;
  const other = allTags ? "--all-tags" : "a platform";
  throw new TspodError("usage", `Cannot combine --all-platforms with ${other}`, {
    next: "leave one of them away",
  });
}

function parsePolicy(text: string | null): (typeof policies)[number] {
  const policy = policies.find((word) => word === (text ?? "always"));
  if (policy !== undefined) return policy;
  throw new TspodError("usage", `Invalid --policy "${text}"`, {
    next: `use one of: ${policies.join(", ")}`,
  });
}
