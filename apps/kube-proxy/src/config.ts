import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of kube-proxy. */
export const kubeProxySchema = {
  nodeName: { type: 'string', default: '', help: 'name of the node it runs on' },
  nodeIp: { type: 'string', default: '', help: 'address of the node in the emulated network' },
  vnetEndpoint: { type: 'string', default: '127.0.0.1:7080', help: "gRPC address of the node's switch, as this process reaches it" },
  vnetAdvertise: { type: 'string', default: '', help: "the same as other nodes reach it; default: --vnet-endpoint" },
  minSyncPeriodMs: { type: 'number', default: 5, help: 'changes that come within this time are programmed together' },
  nodePortHost: { type: 'string', default: '', help: 'address of this machine on which node ports listen too; empty for none' },
  nodePortAddress: { type: 'string', default: '10.240.0.3', help: 'address in the emulated network that --node-port-host uses' },
  healthzBindAddress: { type: 'string', default: '', help: 'host:port of /healthz, /livez and /metrics; empty for none' },
} as const satisfies ConfigSchema;

export type KubeProxyConfig = ConfigOf<typeof kubeProxySchema>;
