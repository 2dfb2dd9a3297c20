/**
 * certs.d (containers-certs.d(5)): what a registry's certificate is checked with beside the usual authorities (*.crt), and
 * who we are to it (*.cert with its *.key). Only reads.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TspodError } from "../errors.ts";
import type { Certificates } from "../registry/index.ts";
import type { Environment } from "../store/paths.ts";
import { configHome } from "./settings.ts";

/** For a transport: what there is for a host, read once. */
export function certificateFinder(
  environment: Environment,
  explicit?: string,
): (host: string) => Certificates | undefined {
  const known = new Map<string, Certificates | undefined>();
  return (host) => {
    if (!known.has(host)) known.set(host, findCertificates(environment, host, explicit));
    return known.get(host);
  };
}

function findCertificates(
  environment: Environment,
  host: string,
  explicit: string | undefined,
): Certificates | undefined {
  if (explicit !== undefined && !existsSync(explicit)) {
    throw new TspodError("usage", `There is no directory "${explicit}" for --cert-dir`, {
      next: "it holds ca.crt, client.cert and client.key",
    });
  }
  const name = host === "registry-1.docker.io" ? "docker.io" : host;
  const bases = [
    join(configHome(environment), "containers/certs.d"),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ];
  const directories = explicit === undefined ? bases.map((base) => join(base, name)) : [explicit];
  const directory = directories.find((path) => existsSync(path));
  if (directory === undefined) return undefined;
  const names = list(directory);
  const authorities = names.filter((file) => file.endsWith(".crt")).sort();
  const [certificate] = names.filter((file) => file.endsWith(".cert")).sort();
  const key = certificate?.replace(/\.cert$/, ".key");
  if (certificate !== undefined && key !== undefined && !names.includes(key)) {
    throw invalid(directory, `"${certificate}" has no "${key}" beside it`);
  }
  if (authorities.length === 0 && certificate === undefined) return undefined;
  const pem = (file: string): string => readPem(directory, file);
  return {
    authorities:
      authorities.length === 0 ? [] : [...authorities.map(pem), ...machineAuthorities(environment)],
    ...(certificate === undefined || key === undefined
      ? {}
      : { client: { certificate: pem(certificate), key: pem(key) } }),
  };
}

/** Where distributions keep them; Bun's own are not added to those that are given to it. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** This machine's authorities, or those that SSL_CERT_FILE names instead, as Go's programs have it. */
export function machineAuthorities({ SSL_CERT_FILE: explicit }: Environment): string[] {
  const bundle = explicit || bundles.find((path) => existsSync(path));
  if (bundle === undefined) return [];
  try {
    return [readFileSync(bundle, "utf8")];
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TspodError(
      "registries_conf.invalid",
      `Cannot read the authorities in "${bundle}" (${code})`,
      {
        next: "make it readable, or unset SSL_CERT_FILE",
        cause,
      },
    );
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    throw invalid(directory, `it cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
  }
}

function readPem(directory: string, name: string): string {
  let text: string;
  try {
    text = readFileSync(join(directory, name), "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw invalid(directory, `"${name}" cannot be read (${code})`, cause);
  }
  if (text.includes("-----BEGIN ")) return text;
  throw invalid(directory, `"${name}" is not PEM`);
}

function invalid(directory: string, why: string, cause?: unknown): TspodError {
  return new TspodError("registries_conf.invalid", `Cannot use "${directory}": ${why}`, {
    next: "it holds ca.crt, client.cert and client.key in PEM",
    cause,
  });
}
