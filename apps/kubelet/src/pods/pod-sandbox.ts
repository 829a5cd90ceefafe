import { Pods, RuntimeClasses } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { PodSandboxConfig, UserNamespace } from '@orrery/proto/cri';
import { RpcError, goStatus } from '@orrery/rpc';
import type { KubeletContext } from '../kubelet-context.ts';
import { hostsFile, nodeHostsFile, podHostname } from '../runtime/dns.ts';
import { type SandboxSettings, sandboxConfig } from '../runtime/sandbox-config.ts';
import { isHostNetwork, uidOf } from './pod-spec.ts';

/** What the node's configuration says about sandboxes. */
export function sandboxSettings({ config, nodeName }: KubeletContext): SandboxSettings {
  const { clusterDns, clusterDomain, nodeNameservers, podLogsDir } = config;
  return { clusterDns, clusterDomain, nodeNameservers, podLogsDir, hostname: config.hostname || nodeName };
}

/** The runtime handler of the pod's RuntimeClass; '' is the runtime's default. */
async function runtimeHandler({ api }: KubeletContext, pod: Pod): Promise<string> {
  const name = pod.spec?.runtimeClassName;
  if (!name) return '';
  const { handler = '' } = await api.get(RuntimeClasses, { name });
  return handler;
}

/** Records why there is no sandbox, unless that is because the sync was interrupted. */
function record(context: KubeletContext, pod: Pod, { error, signal }: { error: unknown; signal: AbortSignal }): void {
  signal.throwIfAborted();
  context.events.event(Pods, pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message: `Failed to create pod sandbox: ${error instanceof RpcError ? goStatus(error) : (error as Error).message}` });
}

/**
 * What the pod's sandbox is made from; at once where the pod does not say whose users it has. That it cannot have the user namespace or the name it
 * asks for is recorded as an event and thrown.
 */
export function podSandboxConfig(context: KubeletContext, pod: Pod, { attempt, signal }: { attempt: number; signal: AbortSignal }): PodSandboxConfig | Promise<PodSandboxConfig> {
  const failed = (error: unknown): never => {
    record(context, pod, { error, signal });
    throw error;
  };
  const made = (usernsOptions?: UserNamespace): PodSandboxConfig => sandboxConfig(pod, sandboxSettings(context), { attempt, usernsOptions });
  if (pod.spec?.hostUsers !== undefined) return runtimeHandler(context, pod).then((handler) => context.userNamespaces.of(pod, handler)).then(made).catch(failed);
  try {
    return made();
  } catch (error) {
    return failed(error);
  }
}

/** Has drivers prepare the devices that the pod's claims were allocated. A failure is recorded as an event and thrown. */
export async function prepareClaims({ claims, events }: KubeletContext, pod: Pod, signal: AbortSignal): Promise<void> {
  try {
    await claims.prepare(pod);
  } catch (error) {
    signal.throwIfAborted();
    events.event(Pods, pod, { type: 'Warning', reason: 'FailedPrepareDynamicResources', message: `Failed to prepare dynamic resources: prepare dynamic resources: ${(error as Error).message}` });
    throw error;
  }
}

/** Makes the pod's sandbox and returns its id. A failure is recorded as an event and thrown. */
export async function runSandbox(context: KubeletContext, pod: Pod, { config, signal }: { config: PodSandboxConfig; signal: AbortSignal }): Promise<string> {
  try {
    const handler = pod.spec?.runtimeClassName ? await runtimeHandler(context, pod) : '';
    return await context.runtime.runSandbox(config, handler);
  } catch (error) {
    record(context, pod, { error, signal });
    throw error;
  }
}

/** Writes the file that is mounted as `/etc/hosts`; for pods on the node's network the node's own. */
export async function writeHostsFile(context: KubeletContext, pod: Pod, ips: readonly string[]): Promise<void> {
  const { host, volumes } = context;
  const own = isHostNetwork(pod) ? new TextDecoder().decode(await host.readFile('/etc/hosts')) : undefined;
  const text = own === undefined ? hostsFile(pod, { ips, ...podHostname(pod, sandboxSettings(context)) }) : nodeHostsFile(pod, own);
  await host.writeFile(`${volumes.podDir(uidOf(pod))}/etc-hosts`, { bytes: text, mode: 0o644 });
}
