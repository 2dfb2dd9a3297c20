/** Platforms (image-spec image-index.md "platform", Go's GOOS and GOARCH names): parse, print, match. */
import { TspodError } from "../errors.ts";

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Normalised: none for amd64 v1 and arm64 v8; "v7" where arm says nothing. */
  readonly variant?: string;
}

const partPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** What machines and people call the architectures, in Go's names. */
const aliases: Record<string, { architecture: string; variant?: string }> = {
  x86_64: { architecture: "amd64" },
  "x86-64": { architecture: "amd64" },
  x64: { architecture: "amd64" },
  aarch64: { architecture: "arm64" },
  i386: { architecture: "386" },
  i686: { architecture: "386" },
  ia32: { architecture: "386" },
  armhf: { architecture: "arm", variant: "v7" },
  armel: { architecture: "arm", variant: "v6" },
  ppc64el: { architecture: "ppc64le" },
};

/** "linux/arm64/v8", "linux/amd64", or only "arm64". Throws usage. */
export function parsePlatform(text: string): Platform {
  const parts = text.split("/");
  if (parts.length > 3 || !parts.every((part) => partPattern.test(part))) {
    throw new TspodError("usage", `Cannot use platform ${JSON.stringify(text.slice(0, 80))}`, {
      next: 'write it as in "linux/amd64" or "linux/arm/v7"',
    });
  }
  const [first = "", second, variant] = parts;
  if (second === undefined) {
    const isOs = ["linux", "windows", "darwin", "freebsd"].includes(first.toLowerCase());
    return isOs ? { ...hostPlatform(), os: first.toLowerCase() } : normalise("linux", first);
  }
  return normalise(first, second, variant);
}

/** "linux/arm/v7". */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** Normalise names that came from a manifest or a config: case, aliases, default variants. */
export function normalise(os: string, architecture: string, variant = ""): Platform {
  const name = architecture.toLowerCase();
  const alias = Object.hasOwn(aliases, name) ? aliases[name] : undefined;
  const known = alias?.architecture ?? name;
  const given = variant.toLowerCase() || alias?.variant || "";
  const full = /^[0-9]/.test(given) ? `v${given}` : given;
  const kept = defaultVariant(known, full);
  return { os: os.toLowerCase(), architecture: known, ...(kept === "" ? {} : { variant: kept }) };
}

function defaultVariant(architecture: string, variant: string): string {
  if (architecture === "amd64") return variant === "v1" ? "" : variant;
  if (architecture === "arm64") return variant === "v8" || variant === "v8.0" ? "" : variant;
  if (architecture === "arm") return variant === "" ? "v7" : variant;
  return variant;
}

export function hostPlatform(): Platform {
  return normalise("linux", process.arch);
}

/**
 * What `wanted` can run, best first, as containerd's `platforms.Only` orders it: lower variants of the same
 * architecture, then the 32-bit one of the same family.
 */
function acceptable(wanted: Platform): Platform[] {
  const { os, architecture, variant } = wanted;
  const arm = (from: number): Platform[] =>
    [8, 7, 6, 5]
      .filter((n) => n <= from)
      .map((n) => ({ os, architecture: "arm", variant: `v${n}` }));
  if (architecture === "amd64") {
    const level = Number(/^v([2-9])$/.exec(variant ?? "")?.[1] ?? 1);
    const lower = Array.from({ length: level }, (_, i) => normalise(os, "amd64", `v${level - i}`));
    return [...lower, { os, architecture: "386" }];
  }
  if (architecture === "arm64") {
    const base: Platform = { os, architecture };
    return variant === undefined ? [base, ...arm(8)] : [wanted, base, ...arm(8)];
  }
  if (architecture === "arm") return arm(Number(/^v([5-8])/.exec(variant ?? "")?.[1] ?? 7));
  return [wanted];
}

/** 0 is an exact match, larger is worse, -1 is none. */
export function platformRank(wanted: Platform, offered: Platform): number {
  const text = formatPlatform(offered);
  return acceptable(wanted).findIndex((candidate) => formatPlatform(candidate) === text);
}

export function matchesPlatform(wanted: Platform, offered: Platform): boolean {
  return platformRank(wanted, offered) >= 0;
}
