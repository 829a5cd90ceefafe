import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

export const containerRuntimeSchema = {
  node: { type: 'string', default: 'node', help: 'name of the node this runtime serves' },
  nodeIp: { type: 'string', default: '10.240.0.10', help: "the node's address in the emulated network; two, with a comma between, in a dual-stack cluster" },
  podCidr: { type: 'string', default: '', help: "range of the node's pods until the kubelet sets it (UpdateRuntimeConfig)" },
  listen: { type: 'string', default: '', help: 'CRI endpoint: unix:///path/to/socket or host:port; empty serves in memory only' },
  streamingHost: { type: 'string', default: '127.0.0.1', help: 'address of the exec, attach and port-forward server' },
  streamingPort: { type: 'number', default: 0, help: 'its port; 0 picks one' },
  pullMs: { type: 'number', default: 150, help: 'milliseconds an image pull takes on average' },
  memoryBytes: { type: 'number', default: 8 * 1024 ** 3, help: 'memory that containers without a limit see' },
  cpus: { type: 'number', default: 4, help: 'processors that containers see' },
  initIgnoresSignals: { type: 'boolean', default: false, help: 'as the kernel, do not end process 1 by signals it does not handle (a plain `sleep` then dies only when its grace period is over)' },
  runtimeHandlers: { type: 'list', default: ['runc'], help: 'names that a RuntimeClass may ask for' },
} as const satisfies ConfigSchema;

export type ContainerRuntimeConfig = ConfigOf<typeof containerRuntimeSchema>;
