/** The smaller flags of run and create, whose values are read only when somebody gives one. */
import type { CreateOptions } from "../../spec/index.ts";
import { boolean, type FlagValues, list, value } from "../flags.ts";

export const personalities = ["LINUX", "LINUX32"] as const;

const onByDefault = { isOnByDefault: true } as const;

export const detailFlags = {
  envHost: boolean("--env-host", "All variables of the caller"),
  envMerge: list("--env-merge", "KEY=TEXT", "A variable in which ${NAME} is one of the image"),
  unsetenv: list("--unsetenv", "NAME", "Without this variable of the image"),
  unsetenvAll: boolean("--unsetenv-all", "Without the image's variables"),
  httpProxy: {
    ...boolean("--http-proxy", "Pass the caller's proxy variables on; =false does not"),
    ...onByDefault,
  },
  labelFile: list("--label-file", "FILE", "Read labels from a file, one KEY=VALUE a line", "file"),
  annotation: list("--annotation", "KEY=VALUE", "Attach an annotation to the OCI configuration"),
  addHost: list("--add-host", "NAME:ADDRESS", "A line of /etc/hosts"),
  dns: list("--dns", "ADDRESS", "A name server; none: the image's /etc/resolv.conf stays"),
  dnsSearch: list("--dns-search", "DOMAIN", "A domain to search in; . for none"),
  dnsOption: list("--dns-option,--dns-opt", "OPTION", "An option of resolv.conf"),
  noHosts: boolean("--no-hosts", "The image's /etc/hosts stays"),
  noHostname: boolean("--no-hostname", "The image's /etc/hostname stays"),
  hostsFile: value("--hosts-file", "FILE|image|none", "What /etc/hosts begins with", "file"),
  domainname: value("--domainname", "NAME", "The container's NIS domain name"),
  passwd: {
    ...boolean("--passwd", "Write /etc/passwd and /etc/group; =false does not"),
    ...onByDefault,
  },
  passwdEntry: value("--passwd-entry", "LINE", "Of the container's user, with $USERNAME, $UID..."),
  groupEntry: value("--group-entry", "LINE", "Of its group, with $GROUPNAME and $GID"),
  hostuser: list("--hostuser", "NAME|UID", "A user of the host, into the container's /etc/passwd"),
  tz: value("--tz", "ZONE", "The time zone, as in Europe/Rome; local: the host's"),
  expose: list("--expose", "PORT[/PROTOCOL]", "A port that it listens to: only written down"),
  readOnlyTmpfs: {
    ...boolean("--read-only-tmpfs", "With --read-only: /run, /tmp and /var/tmp in memory"),
    ...onByDefault,
  },
  personality: value(
    "--personality",
    "DOMAIN",
    "LINUX, or LINUX32: the kernel says that it is a 32-bit one",
    personalities,
  ),
  systemd: value("--systemd", "WHEN", "Room for systemd: true (when it is run), always, false", [
    "true",
    "always",
    "false",
  ]),
  shmSizeSystemd: value(
    "--shm-size-systemd",
    "SIZE",
    "Of each directory in memory for systemd; 0 is no limit",
  ),
  pidfile: value("--pidfile", "FILE", "Write the process's id to a file, at each start", "file"),
  conmonPidfile: value("--conmon-pidfile", "FILE", "Write the monitor's process id there", "file"),
} as const;

export type DetailFlags = FlagValues<typeof detailFlags>;

/** Empty when nothing was asked for. Throws usage. */
export async function detailOptions(
  flags: DetailFlags,
  environment: Record<string, string | undefined>,
): Promise<Pick<CreateOptions, "details">> {
  const isAsked = Object.entries(detailFlags).some(([key, flag]) => {
    const given = flags[key as keyof DetailFlags];
    if (flag.kind === "boolean") return given !== "isOnByDefault" in flag;
    return Array.isArray(given) ? given.length > 0 : given !== null;
  });
  const hasProxy =
    flags.httpProxy && proxyVariables.some((name) => environment[name] !== undefined);
  if (!isAsked && !hasProxy) return {};
  const { parseDetails } = await import("./detail-values.ts");
  return { details: parseDetails(flags, environment) };
}

export const proxyVariables = ["http", "https", "ftp", "no", "all"].flatMap((scheme) => {
  const name = `${scheme}_proxy`;
  return [name, name.toUpperCase()];
});
