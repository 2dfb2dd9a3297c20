/** How a command reaches registries: what the user said on its command line, and what the ecosystem's files say. */
import {
  createRegistryClient,
  type Credentials,
  type Endpoint,
  type RegistryClient,
  type TransportLimits,
} from "../registry/index.ts";
import { credentialFinder } from "./auth-files.ts";
import { certificateFinder, machineAuthorities } from "./certificates.ts";
import type { ImageContext } from "./context.ts";

export interface RegistryAccess {
  /** Instead of what the files have. */
  readonly credentials?: Credentials;
  /** Instead of the usual auth files. */
  readonly authFile?: string;
  /** Instead of certs.d. */
  readonly certificateDirectory?: string;
  /** Instead of what registries.conf says, and of docker's rule for this machine. */
  readonly verifiesTls?: boolean;
  readonly limits?: Partial<TransportLimits>;
}

export function openRegistry(
  context: ImageContext,
  access: RegistryAccess = {},
  scopes: readonly string[] = [],
): RegistryClient {
  const { environment, signal } = context;
  const { credentials, authFile, certificateDirectory } = access;
  return createRegistryClient({
    ...{ signal, scopes, limits: { ...context.limits, ...access.limits } },
    onRetry: (message) => context.report({ kind: "retry", message }),
    findCredentials:
      credentials === undefined
        ? credentialFinder(environment, authFile)
        : () => Promise.resolve(credentials),
    certificates: certificateFinder(environment, certificateDirectory),
    machineAuthorities: () => machineAuthorities(environment),
  });
}

/** The endpoint as the command line wants it. */
export function asAsked(endpoint: Endpoint, { verifiesTls }: RegistryAccess): Endpoint {
  return verifiesTls === undefined
    ? endpoint
    : { ...endpoint, isInsecure: !verifiesTls, isStrict: verifiesTls };
}
