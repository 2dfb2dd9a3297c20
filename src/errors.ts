/** TspodError and the closed list of error codes with their exit codes. Knows nothing of printing. */

/**
 * code -> exit code (125 tspod failed, 126 cannot be executed, 127 not found, 1 a query answered "no").
 * Codes are never reused; a removed one stays removed.
 */
const exitCodes = {
  usage: 125,
  internal: 125,
  "reference.invalid": 125,
  "digest.invalid": 125,
  "image.not_found": 125,
  "image.in_use": 125,
  "image.no_platform": 125,
  "image.invalid": 125,
  "image.refused": 125,
  "registry.unreachable": 125,
  "registry.unauthorized": 125,
  "registry.rate_limited": 125,
  "registry.failed": 125,
  "registry.digest_mismatch": 125,
  "registry.too_large": 125,
  "registry.refused_manifest": 125,
  "registries_conf.invalid": 125,
  "layer.invalid": 125,
  "container.not_found": 125,
  "container.ambiguous": 125,
  "container.damaged": 125,
  "container.name_in_use": 125,
  "container.running": 125,
  "container.mounted": 125,
  "container.not_running": 125,
  "container.paused": 125,
  "container.not_paused": 125,
  "container.has_dependants": 125,
  "container.start_failed": 125,
  "container.no_healthcheck": 125,
  "container.no_log": 125,
  "autostart.unavailable": 125,
  "files.not_found": 125,
  "files.refused": 125,
  "files.read_only": 125,
  "runtime.not_found": 125,
  "runtime.failed": 125,
  "command.not_executable": 126,
  "command.not_found": 127,
  "network.unavailable": 125,
  "network.failed": 125,
  "network.no_tool": 125,
  "network.not_found": 125,
  "network.ambiguous": 125,
  "network.exists": 125,
  "network.in_use": 125,
  "network.no_subnet": 125,
  "network.no_address": 125,
  "network.address_in_use": 125,
  "network.connected": 125,
  "network.not_connected": 125,
  "port.in_use": 126,
  "port.privileged": 126,
  "port.no_address": 126,
  "port.not_published": 125,
  "volume.invalid": 125,
  "volume.source_missing": 125,
  "volume.not_found": 125,
  "volume.ambiguous": 125,
  "volume.exists": 125,
  "volume.in_use": 125,
  "secret.not_found": 125,
  "secret.ambiguous": 125,
  "secret.exists": 125,
  "secret.invalid": 125,
  "host.limit": 125,
  "host.no_userns": 125,
  "host.no_proc": 125,
  "host.no_newuidmap": 125,
  "host.overlay_refused": 125,
  "host.no_cgroup": 125,
  "store.unwritable": 125,
  "store.full": 125,
  "store.corrupt": 125,
} as const;

export type ErrorCode = keyof typeof exitCodes;

export interface TspodErrorOptions extends ErrorOptions {
  /** What to do next: a command or a sentence, without a full stop. */
  next?: string;
}

/** An error meant for the user: one sentence that names the thing, and what to do next. */
export class TspodError extends Error {
  override readonly name = "TspodError";
  readonly code: ErrorCode;
  readonly next: string | undefined;

  constructor(code: ErrorCode, message: string, options: TspodErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.next = options.next;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}
