/** The door of registry: reading from registries by the distribution specification. Knows no disk. */
export { type BlobSink, fetchBlob } from "./blobs.ts";
export { createRegistryClient, type FetchedManifest, type RegistryClient } from "./client.ts";
export {
  type AuthFile,
  changeAuthFile,
  type Credentials,
  credentialsOf,
  findCredentials,
  identityUser,
  keysFor,
  parseAuthFile,
  parseHelperAnswer,
} from "./credentials.ts";
export {
  type Endpoint,
  endpoints,
  isBlocked,
  mergeRules,
  parseRegistriesConf,
  type RegistryRule,
} from "./registries-conf.ts";
export { type BlobSource, pushBlob, type PushedBlob } from "./upload.ts";
export { type Failing, networkReason, redact } from "./errors.ts";
export type { Certificates, PlainPorts, TransportLimits } from "./transport.ts";
export {
  mergeShortNames,
  parseShortNames,
  resolveShortName,
  type ShortNames,
} from "./short-names.ts";
export { checkPolicy, parsePolicy } from "./policy.ts";
export { listTags } from "./tags.ts";
export { deleteManifest } from "./deletion.ts";
export { listReferrers, type Referrer } from "./referrers.ts";
export { bodyChunks as bodyPieces } from "./body.ts";
export { type SearchResult, searchRegistry } from "./search.ts";
