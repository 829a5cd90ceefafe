import type { ConfigOf, ConfigSchema } from '@orrery/runtime';

/** Settings of kube-proxy. Empty means: what the file given by `--config` says, or the default named in the help. */
export const kubeProxySchema = {
  config: { type: 'string', default: '', help: 'file with a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1)' },
  proxyMode: { type: 'string', default: '', choices: ['', 'vnet', 'iptables', 'nftables', 'ipvs', 'userspace'], help: 'what it programs: switches of the emulated network (vnet, the default without --config), or the kernel of this machine' },
  podNetwork: { type: 'string', default: 'emulated', choices: ['emulated', 'real'], help: "real: pods of all nodes have real addresses, and the kernel gets the routes to them; with --proxy-mode vnet those of this node are emulated ones (container-runtime --pod-network real), and the kernel gets Services and policies as well" },
  kernelMode: { type: 'string', default: 'nftables', choices: ['nftables', 'iptables', 'ipvs', 'userspace'], help: 'how the kernel gets the rules of Services with --pod-network real' },
  nodeName: { type: 'string', default: '', help: 'name of the node it runs on; with a mode of the kernel the default is the host name' },
  nodeIp: { type: 'string', default: '', help: 'address of the node in the emulated network' },
  vnetEndpoint: { type: 'string', default: '127.0.0.1:7080', help: "gRPC address of the node's switch, as this process reaches it" },
  vnetAdvertise: { type: 'string', default: '', help: "the same as other nodes reach it; default: --vnet-endpoint" },
  minSyncPeriodMs: { type: 'number', default: 5, help: 'changes that come within this time are programmed together' },
  syncPeriod: { type: 'string', default: '', help: 'how often rules that others broke are mended (30s); modes iptables, ipvs, userspace' },
  clusterCidr: { type: 'string', default: '', help: "ranges of the cluster's pods, a,b for two families" },
  detectLocalMode: { type: 'string', default: '', help: 'how traffic of pods is recognised: ClusterCIDR (default), NodeCIDR, BridgeInterface, InterfaceNamePrefix' },
  podBridgeInterface: { type: 'string', default: '', help: 'the bridge of BridgeInterface' },
  podInterfaceNamePrefix: { type: 'string', default: '', help: 'the prefix of InterfaceNamePrefix' },
  nodeportAddresses: { type: 'list', default: [], help: 'addresses or ranges on which node ports answer, primary or all' },
  masqueradeAll: { type: 'boolean', default: false, help: 'endpoints see the node as the client of every cluster IP' },
  masqueradeBit: { type: 'number', default: -1, help: 'bit of the packet mark for masquerading (14)' },
  iptablesLocalhostNodeports: { type: 'boolean', default: true, help: 'with mode iptables node ports answer on 127.0.0.1 too, unless --nodeport-addresses names others' },
  ipvsScheduler: { type: 'string', default: '', help: 'rr (default), wrr, lc, wlc, sh, dh, sed, nq …' },
  ipvsStrictArp: { type: 'boolean', default: false, help: 'the node answers ARP only for addresses of the device that was asked' },
  ipvsExcludeCidrs: { type: 'list', default: [], help: "ranges whose virtual servers are somebody else's" },
  ipvsTcpTimeout: { type: 'string', default: '', help: 'how long idle TCP connections are remembered; 0s leaves what the kernel has' },
  ipvsTcpfinTimeout: { type: 'string', default: '', help: 'the same after a FIN' },
  ipvsUdpTimeout: { type: 'string', default: '', help: 'the same for UDP' },
  cleanup: { type: 'boolean', default: false, help: 'removes the rules of all modes of the kernel from this machine and ends' },
  nodePortHost: { type: 'string', default: '', help: 'address of this machine on which node ports listen too; empty for none' },
  nodePortAddress: { type: 'string', default: '10.240.0.3', help: 'address in the emulated network that --node-port-host uses' },
  healthzBindAddress: { type: 'string', default: '', help: 'host:port of /healthz and /livez; default: none with vnet, else 0.0.0.0:10256' },
  metricsBindAddress: { type: 'string', default: '', help: 'host:port of /metrics and /proxyMode; default: none with vnet, else 127.0.0.1:10249' },
} as const satisfies ConfigSchema;

export type KubeProxyConfig = ConfigOf<typeof kubeProxySchema>;
