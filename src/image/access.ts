/** How a command reaches registries: what the user said on its command line, and what the ecosystem's files say. */
import {
  createRegistryClient,
  type Credentials,
  type Endpoint,
  type PlainPorts,
  type RegistryClient,
  type TransportLimits,
} from "../registry/index.ts";
import { forgetFact, knowsFact, rememberFact } from "../store/database.ts";
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
    plainPorts: plainPorts(context),
  });
}

/** In the store, which is not opened for it before a registry is asked that may speak plain HTTP. */
function plainPorts(context: ImageContext): PlainPorts {
  const fact = (host: string): string => `plain http: ${host}`;
  return {
    has: (host) => knowsFact(context.database, fact(host)),
    set(host, isPlain) {
      try {
        (isPlain ? rememberFact : forgetFact)(context.database, fact(host));
      } catch {
        // a disk without room, or one that is not written to: what is asked for may need neither
      }
    },
  };
}

/** The endpoint as the command line wants it. */
export function asAsked(endpoint: Endpoint, { verifiesTls }: RegistryAccess): Endpoint {
  return verifiesTls === undefined
    ? endpoint
    : { ...endpoint, isInsecure: !verifiesTls, isStrict: verifiesTls };
}
