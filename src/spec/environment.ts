/** The environment of a container's process (image-spec config.md "Env", docker run --env). Pure. */
const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Later definitions of a variable replace earlier ones in place, as Docker does. */
export function mergeEnvironment(...lists: readonly (readonly string[])[]): string[] {
  const byName = new Map<string, string>();
  for (const entry of lists.flat()) {
    const equals = entry.indexOf("=");
    byName.set(equals < 0 ? entry : entry.slice(0, equals), entry);
  }
  return [...byName.values()];
}

/** Those whose names are not in `names`. */
export function withoutVariables(
  environment: readonly string[],
  names: readonly string[],
): string[] {
  return environment.filter((entry) => !names.includes(entry.split("=", 1)[0] ?? ""));
}

export function containerEnvironment(options: {
  image: readonly string[];
  asked: readonly string[];
  hostname: string;
  tty: boolean;
}): string[] {
  const base = [defaultPath, `HOSTNAME=${options.hostname}`, "container=tspod"];
  const terminal = options.tty ? ["TERM=xterm"] : [];
  return mergeEnvironment(base, terminal, options.image, options.asked);
}
