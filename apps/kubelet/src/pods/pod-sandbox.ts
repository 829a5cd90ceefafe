import { Pods, RuntimeClasses } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { PodSandboxConfig } from '@orrery/proto/cri';
import { RpcError, goStatus } from '@orrery/rpc';
import type { KubeletContext } from '../kubelet-context.ts';
import { hostsFile, podHostname } from '../runtime/dns.ts';
import type { SandboxSettings } from '../runtime/sandbox-config.ts';
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

/** Makes the pod's sandbox and returns its id. A failure is recorded as an event and thrown. */
export async function runSandbox(context: KubeletContext, pod: Pod, request: { config: PodSandboxConfig; signal: AbortSignal }): Promise<string> {
  try {
    return await context.runtime.runSandbox(request.config, await runtimeHandler(context, pod));
  } catch (error) {
    request.signal.throwIfAborted();
    context.events.event(Pods, pod, { type: 'Warning', reason: 'FailedCreatePodSandBox', message: `Failed to create pod sandbox: ${error instanceof RpcError ? goStatus(error) : (error as Error).message}` });
    throw error;
  }
}

/** Writes the file that is mounted as `/etc/hosts`; pods on the host's network see the host's own. */
export async function writeHostsFile(context: KubeletContext, pod: Pod, ips: readonly string[]): Promise<void> {
  if (isHostNetwork(pod)) return;
  const text = hostsFile(pod, { ips, ...podHostname(pod, sandboxSettings(context)) });
  await context.host.writeFile(`${context.volumes.podDir(uidOf(pod))}/etc-hosts`, { bytes: new TextEncoder().encode(text), mode: 0o644 });
}
