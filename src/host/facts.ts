/** Texts and numbers of this machine that a container's configuration needs. */
import { readFileSync } from "node:fs";

export interface HostTexts {
  architecture: string;
  etcHosts: string;
  resolvConf: string;
  hostname: string;
  /** "6.1.0-18-amd64" */
  kernelRelease: () => string;
}

export function readHostTexts(): HostTexts {
  return {
    architecture: process.arch,
    etcHosts: readText("/etc/hosts"),
    resolvConf: readText("/etc/resolv.conf"),
    hostname: readText("/proc/sys/kernel/hostname").trim(),
    kernelRelease,
  };
}

/** As uname(2) has it. Not by node:os, which every command would load for this: a quarter of a millisecond. */
export function kernelRelease(): string {
  return readText("/proc/sys/kernel/osrelease").trim();
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // a host may lack it
  }
}
