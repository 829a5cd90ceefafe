import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of kube-proxy. */
export const kubeProxySchema = {
  nodeName: { type: 'string', default: '', help: 'name of the node it runs on' },
  minSyncPeriodMs: { type: 'number', default: 5, help: 'changes that come within this time are programmed together' },
  nodePortHost: { type: 'string', default: '127.0.0.1', help: 'address of this machine on which node ports listen; empty for none' },
  vnetEndpoint: { type: 'string', default: '', help: 'gRPC address of the node\'s switch (unix:/path or host:port)' },
  healthzBindAddress: { type: 'string', default: '127.0.0.1:10256', help: 'host:port of /healthz and /livez; empty for none' },
  metricsBindAddress: { type: 'string', default: '127.0.0.1:10249', help: 'host:port of /metrics and /proxyMode; empty for none' },
} as const satisfies ConfigSchema;

export type KubeProxyConfig = ConfigOf<typeof kubeProxySchema>;
