/** Starts another process in a running container. */
import {
  type Attach,
  contractVersion,
  type ExecConfig,
  type RunningHelper,
  startHelper,
} from "../helper/index.ts";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { wireProcess } from "../oci/config-json.ts";
import type { RuntimeSpec } from "../oci/runtime-spec.ts";
import {
  type CreateOptions,
  defaultSecurity,
  defaultSetup,
  helperGroups,
  type HelperSettings,
  mergeEnvironment,
  processCapabilities,
} from "../spec/index.ts";
import { containerDirectory, isFrozen, runtimeDirectory } from "../store/containers.ts";
import type { ContainerContext } from "./context.ts";
import { readContainerFile } from "./files.ts";
import { type Container, notRunning, paused } from "./find.ts";
import { generateId } from "./names.ts";
import { secretEnvironment } from "./secrets.ts";

export interface ExecOptions {
  command: string[];
  environment: string[];
  workdir: string | null;
  user: string | null;
  interactive: boolean;
  tty: boolean;
  /** All capabilities of the container's user namespace; its seccomp filter stays. */
  isPrivileged: boolean;
  /** Descriptors of ours that the command gets, from 3 on, ascending. */
  passed: readonly number[];
}

const nameLength = 16;

/** Errors: container.not_running, container.paused; the helper's come with the promises it returns. */
export function execInContainer(
  context: ContainerContext,
  container: Container,
  options: ExecOptions,
  attach: Attach | null,
): RunningHelper {
  if (container.state.status !== "running") {
    throw notRunning(container.name);
  }
  if (isFrozen(container.state.cgroup)) throw paused(container.name);
  const runtimeDir = runtimeDirectory(context.paths, container.id);
  const { process } = readContainerFile<RuntimeSpec>(context, container.id, "config.json");
  const helper = readContainerFile<HelperSettings>(context, container.id, "helper.json");
  const { security = defaultSecurity, setup = defaultSetup } = container.options as CreateOptions; // create recorded it
  const user = options.user ?? helper.user;
  const terminal = options.tty ? ["TERM=xterm"] : [];
  const request: ExecConfig = {
    contract: contractVersion,
    runtimeDir,
    containerDir: containerDirectory(context.paths, container.id),
    process: {
      ...wireProcess(process),
      terminal: options.tty,
      args: options.command,
      env: mergeEnvironment(
        terminal,
        process.env,
        secretEnvironment(context, container),
        options.environment,
      ),
      cwd: options.workdir ?? process.cwd,
      capabilities: processCapabilities(
        options.isPrivileged ? { ...defaultSecurity, isPrivileged: true } : security,
        user,
      ),
    },
    user,
    ...helperGroups(setup),
    stdinOpen: options.interactive,
    seccompCache: context.paths.seccomp,
    ...{ events: context.paths.events, id: container.id },
    ...{ name: container.name, imageName: container.imageName },
    ...(attach === null ? {} : { attach }),
  };
  const path = `${runtimeDir}/exec-${generateId().slice(0, nameLength)}.json`;
  writeRequest(path, request, container.name);
  return startHelper({
    command: context.helper,
    args: ["exec", path],
    foreground: attach !== null,
    doing: `execute in "${container.name}"`,
    passed: options.passed,
    onWarning: (_, detail) => context.warn(detail),
  });
}

/** Errors: container.not_running when it has ended since it was looked at. */
function writeRequest(path: string, request: ExecConfig, name: string): void {
  try {
    writeFileAtomic(path, JSON.stringify(request));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") throw notRunning(name);
    throw error;
  }
}
