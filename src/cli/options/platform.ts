/** podman's --os, --arch and --variant: --platform in parts. */
import { TspodError } from "../../errors.ts";
import { hostPlatform } from "../../oci/index.ts";

type Given = Record<"platform" | "arch" | "os" | "variant", string | null>;

export function parsePlatformFlags({ platform, arch, os, variant }: Given): string | null {
  if (arch === null && os === null && variant === null) return platform;
  if (platform !== null) {
    throw new TspodError("usage", "Cannot combine --platform with --os, --arch or --variant", {
      next: "leave one of them away",
    });
  }
  const words = [os ?? "linux", arch ?? hostPlatform().architecture, variant];
  return words.filter((word) => word !== null).join("/");
}
