/** The door of registry: reading from registries by the distribution specification. Knows no disk. */
export { type BlobSink, fetchBlob } from "./blobs.ts";
export { createRegistryClient, type FetchedManifest, type RegistryClient } from "./client.ts";
export {
  type AuthFile,
  type Credentials,
  findCredentials,
  parseAuthFile,
  parseHelperAnswer,
} from "./credentials.ts";
export {
  type Endpoint,
  endpoints,
  mergeRules,
  parseRegistriesConf,
  type RegistryRule,
} from "./registries-conf.ts";
export type { TransportLimits } from "./transport.ts";
