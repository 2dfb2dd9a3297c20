/** `tspod push`. */
import { TspodError } from "../errors.ts";
import { listImages, loadPush, type PushOptions } from "../image/index.ts";
import { parseReference, repositoryName } from "../oci/index.ts";
import { type CliContext, defineCommand } from "./command.ts";
import type { FlagValues } from "./flags.ts";
import { boolean, value } from "./flags.ts";
import { parseProgress, progressFlags } from "./options/progress.ts";
import { accessFlags, refusedSigning } from "./options/registry.ts";
import { registryAccess } from "./options/registry-values.ts";
import { writeDigest } from "./output/digest-file.ts";
import { print } from "./output/print.ts";
import { showPullProgress } from "./output/pull-progress.ts";

const formats = { oci: "oci", v2s2: "docker", docker: "docker" } as const;
const compressions = ["gzip", "zstd", "none"] as const;
/** What the programs that compress take. */
const levelMax = { gzip: 9, zstd: 20, none: 0 };

const flags = {
  allTags: boolean("-a,--all-tags", "Every tag that the repository has here"),
  digestfile: value("--digestfile", "FILE", "Write the pushed digest to a file", "file"),
  format: value("-f,--format", "FORMAT", "oci or v2s2: how its manifest is written", [
    "oci",
    "v2s2",
  ]),
  compressionFormat: value("--compression-format", "FORMAT", "Compress layers so", compressions),
  compressionLevel: value("--compression-level", "LEVEL", "gzip: 1 to 9, zstd: 1 to 20"),
  forceCompression: boolean("--force-compression", "Also layers that are compressed so already"),
  quiet: boolean("-q,--quiet", "Say nothing"),
  removeSignatures: boolean("--remove-signatures", "Send none, as always"),
  disableContentTrust: {
    ...boolean("--disable-content-trust", "For docker's scripts: changes nothing"),
    isOnByDefault: true,
  },
  ...progressFlags,
  ...accessFlags,
} as const;

export default defineCommand({
  path: ["push"],
  usage: "IMAGE [DESTINATION]",
  summary: "Send an image to a registry",
  examples: [
    ["Under its own name", "tspod push quay.io/me/app:1"],
    ["Under another one", "tspod push app:1 registry.example.org/team/app:1"],
    ["What the registry calls it", "tspod push -q --digestfile digest app:1 quay.io/me/app"],
  ],
  flags,
  args: { min: 1, max: 2, completes: "image" },
  refused: {
    ...refusedSigning,
    "--encryption-key": "it does not encrypt layers",
    "--encrypt-layer": "it does not encrypt layers",
    "--platform": "each image here is for one platform: a list of several is tspod manifest push's",
    "--compress": "it is for directories, which tspod save writes",
  },
  check(given) {
    parseFormat(given.format);
    parseCompression(given);
    parseProgress(given.progress);
  },
  async run(context, given, [image = "", destination]) {
    showPullProgress(context, { quiet: given.quiet, kind: parseProgress(given.progress) });
    const format = parseFormat(given.format);
    const compression = parseCompression(given);
    const options = {
      access: await registryAccess(given),
      ...(format === undefined ? {} : { format }),
      ...(compression === undefined ? {} : { compression }),
    };
    if (given.allTags) {
      if (destination === undefined) return pushAllTags(context, image, given, options);
      throw new TspodError("usage", "--all-tags pushes under the same names: no destination fits", {
        next: `tspod push --all-tags ${image}`,
      });
    }
    const to = destination === undefined ? {} : { destination: parseDestination(destination) };
    await pushOne(context, image, given, { ...options, ...to });
    return 0;
  },
});

type Given = FlagValues<typeof flags>;

async function pushOne(
  context: CliContext,
  image: string,
  { quiet, digestfile }: Given,
  options: PushOptions,
): Promise<void> {
  const { pushImage } = await loadPush();
  const { reference, digest, sizeBytes } = await pushImage(context, image, options);
  if (digestfile !== null) writeDigest(digestfile, digest, "The image is pushed");
  if (!quiet) await print(`${reference.tag}: digest: ${digest} size: ${sizeBytes}\n`);
}

async function pushAllTags(
  context: CliContext,
  repository: string,
  given: Given,
  options: PushOptions,
): Promise<number> {
  const wanted = parseReference(repository);
  if (repository.includes("@") || /:[^/]*$/.test(repository)) {
    throw new TspodError("usage", `--all-tags takes a name without a tag, not "${repository}"`, {
      next: "leave the tag away",
    });
  }
  const names = listImages(context)
    .flatMap((record) => record.names.map(({ reference }) => parseReference(reference)))
    .filter((name) => name.digest === undefined && repositoryName(name) === repositoryName(wanted))
    .map((name) => `${repositoryName(name)}:${name.tag}`);
  if (names.length === 0) {
    throw new TspodError("image.not_found", `There is no image of the repository "${repository}"`, {
      next: "tspod images",
    });
  }
  for (const name of names.sort()) await pushOne(context, name, given, options);
  return 0;
}

const otherTransports =
  /^(containers-storage|dir|docker-archive|docker-daemon|oci|oci-archive|ostree|sif|tarball):/;

/** podman's transports: of them registries are pushed to, and files are saved to. */
function parseDestination(text: string): string {
  if (text.startsWith("docker://")) return text.slice("docker://".length);
  const [, transport] = otherTransports.exec(text) ?? [];
  if (transport === undefined) return text;
  throw new TspodError("usage", `tspod cannot push to "${text}": only registries are pushed to`, {
    next: "tspod save writes archives and directories",
  });
}

function parseFormat(text: string | null): "oci" | "docker" | undefined {
  if (text === null) return undefined;
  if (Object.hasOwn(formats, text)) return formats[text as keyof typeof formats]; // one of its keys
  const why = text === "v2s1" ? ": schema 1 is out of use since 2017" : "";
  throw new TspodError("usage", `Invalid --format "${text}"${why}`, { next: "use oci or v2s2" });
}

function parseCompression(given: Given): PushOptions["compression"] {
  const { compressionFormat, compressionLevel, forceCompression } = given;
  const format = compressions.find((name) => name === (compressionFormat ?? "gzip"));
  if (format === undefined) {
    const why = compressionFormat === "zstd:chunked" ? ": its index is not written" : "";
    throw new TspodError("usage", `Invalid --compression-format "${compressionFormat}"${why}`, {
      next: `use one of: ${compressions.join(", ")}`,
    });
  }
  if (format === "zstd" && parseFormat(given.format) === "docker") {
    throw new TspodError("usage", "docker's format knows no zstd", {
      next: "use --format oci, or --compression-format gzip",
    });
  }
  const level = compressionLevel === null ? undefined : Number(compressionLevel);
  if (
    level !== undefined &&
    !(/^\d+$/.test(compressionLevel ?? "") && level >= 1 && level <= levelMax[format])
  ) {
    throw new TspodError(
      "usage",
      `Invalid --compression-level "${compressionLevel}" for ${format}`,
      {
        next: format === "none" ? "leave it away" : `use 1 to ${levelMax[format]}`,
      },
    );
  }
  if (compressionFormat === null && level === undefined && !forceCompression) return undefined;
  const isForced = forceCompression || level !== undefined;
  return { format, isForced, ...(level === undefined ? {} : { level }) };
}
