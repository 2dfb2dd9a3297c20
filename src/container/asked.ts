/** What was asked for when a container was created, with what is usual where nothing was. Its record holds it as JSON. */
import {
  type CreateOptions,
  defaultNamespaces,
  type NamespaceOptions,
  type NetworkOptions,
  noNetworkOptions,
  type PublishedPort,
} from "../spec/index.ts";
import type { ContainerRecord } from "../store/containers.ts";

type Asked = Pick<ContainerRecord, "options">;

export function namespacesOf({ options }: Asked): NamespaceOptions {
  return (options as CreateOptions).namespaces ?? defaultNamespaces; // create recorded it
}

/** What is published of it. */
export function portsOf({ options }: Asked): PublishedPort[] {
  return networkingOf({ options }).ports;
}

export function networkingOf({ options }: Asked): NetworkOptions {
  return (options as CreateOptions).networking ?? noNetworkOptions; // create recorded it
}

/** What it says it listens to: its image and --expose. */
export function exposedOf({ options }: Asked): string[] {
  const { details, networking } = options as CreateOptions; // create recorded it
  return [...new Set([...(networking?.exposed ?? []), ...(details?.exposed ?? [])])];
}
