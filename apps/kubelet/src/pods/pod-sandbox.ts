import { Pods, RuntimeClasses } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { PodSandboxConfig, UserNamespace } from '@orrery/proto/cri';
import { RpcError, goStatus } from '@orrery/rpc';
import type { KubeletContext } from '../kubelet-context.ts';
import { hostsFile, nodeHostsFile, podHostname } from '../runtime/dns.ts';
import { type SandboxSettings, sandboxConfig } from '../runtime/sandbox-config.ts';
import { isHostNetwork, uidOf } from './pod-spec.ts';

const encoder = new TextEncoder();

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

async function recorded<T>(context: KubeletContext, pod: Pod, { work, signal }: { work: () => Promise<T>; signal: AbortSignal }): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    context.events.event(Pods, pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message: `Failed to create pod sandbox: ${error instanceof RpcError ? goStatus(error) : (error as Error).message}` });
    throw error;
  }
}

async function podUserNamespace(context: KubeletContext, pod: Pod, signal: AbortSignal): Promise<UserNamespace | undefined> {
  if (pod.spec?.hostUsers === undefined) return undefined;
  return recorded(context, pod, { work: async () => context.userNamespaces.of(pod, await runtimeHandler(context, pod)), signal });
}

/** What the pod's sandbox is made from. That it cannot have the user namespace or the name it asks for is recorded as an event and thrown. */
export async function podSandboxConfig(context: KubeletContext, pod: Pod, { attempt, signal }: { attempt: number; signal: AbortSignal }): Promise<PodSandboxConfig> {
  const usernsOptions = await podUserNamespace(context, pod, signal);
  return recorded(context, pod, { work: async () => sandboxConfig(pod, { ...sandboxSettings(context), usernsOptions }, attempt), signal });
}

/** Makes the pod's sandbox and returns its id. A failure is recorded as an event and thrown. */
export function runSandbox(context: KubeletContext, pod: Pod, { config, signal }: { config: PodSandboxConfig; signal: AbortSignal }): Promise<string> {
  return recorded(context, pod, { work: async () => context.runtime.runSandbox(config, await runtimeHandler(context, pod)), signal });
}

/** Writes the file that is mounted as `/etc/hosts`; for pods on the node's network the node's own. */
export async function writeHostsFile(context: KubeletContext, pod: Pod, ips: readonly string[]): Promise<void> {
  const { host, volumes } = context;
  const own = isHostNetwork(pod) ? new TextDecoder().decode(await host.readFile('/etc/hosts')) : undefined;
  const text = own === undefined ? hostsFile(pod, { ips, ...podHostname(pod, sandboxSettings(context)) }) : nodeHostsFile(pod, own);
  await host.writeFile(`${volumes.podDir(uidOf(pod))}/etc-hosts`, { bytes: encoder.encode(text), mode: 0o644 });
}
