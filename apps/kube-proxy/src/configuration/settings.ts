import { ConfigError, parseGoDuration } from '@orrery/runtime';
import { parseCidr } from '@orrery/vnet';
import type { KubeProxyConfig } from '../config.ts';
import type { IpvsSettings } from '../ipvs/back-end.ts';
import type { LinuxMode, LocalDetector, NodeSettings } from '../linux/back-end.ts';
import { type Family, familyOf } from '../model/service-port.ts';
import type { KubeProxyConfiguration } from './load.ts';

export const ipvsSchedulers: readonly string[] = ['rr', 'wrr', 'lc', 'wlc', 'lblc', 'lblcr', 'sh', 'dh', 'sed', 'nq', 'fo', 'ovf', 'mh'];

/** Settings of a kube-proxy that programs the kernel. */
export interface LinuxSettings extends NodeSettings {
  readonly mode: LinuxMode;
  readonly ipvsScheduler: string;
  readonly ipvs: IpvsSettings;
  readonly syncPeriodMs: number;
  readonly minSyncPeriodMs: number;
  readonly healthzBindAddress: string;
  readonly metricsBindAddress: string;
}

/** Flags over the file; the empty flag is none. */
export function mergeConfiguration(flags: KubeProxyConfig, file: KubeProxyConfiguration): KubeProxyConfig {
  const ofMode = file[file.mode === 'nftables' || file.mode === 'ipvs' ? file.mode : 'iptables'] ?? {};
  const or = (flag: string, given: string | undefined): string => flag || given || '';
  return {
    ...flags,
    // The default of the file's own world is iptables; ours, without a file, the emulated network.
    proxyMode: or(flags.proxyMode, file.mode || 'iptables'),
    // What is said last of a gate counts.
    featureGates: [...Object.entries(file.featureGates ?? {}).map(([name, isOn]) => `${name}=${isOn}`), ...flags.featureGates],
    nodeName: or(flags.nodeName, file.hostnameOverride),
    healthzBindAddress: or(flags.healthzBindAddress, file.healthzBindAddress),
    metricsBindAddress: or(flags.metricsBindAddress, file.metricsBindAddress),
    clusterCidr: or(flags.clusterCidr, file.clusterCIDR),
    detectLocalMode: or(flags.detectLocalMode, file.detectLocalMode),
    podBridgeInterface: or(flags.podBridgeInterface, file.detectLocal?.bridgeInterface),
    podInterfaceNamePrefix: or(flags.podInterfaceNamePrefix, file.detectLocal?.interfaceNamePrefix),
    nodeportAddresses: flags.nodeportAddresses.length ? flags.nodeportAddresses : (file.nodePortAddresses ?? []),
    ipvsScheduler: or(flags.ipvsScheduler, file.ipvs?.scheduler),
    iptablesLocalhostNodeports: flags.iptablesLocalhostNodeports && file.iptables?.localhostNodePorts !== false,
    ipvsStrictArp: flags.ipvsStrictArp || file.ipvs?.strictARP === true,
    ipvsExcludeCidrs: flags.ipvsExcludeCidrs.length ? flags.ipvsExcludeCidrs : (file.ipvs?.excludeCIDRs ?? []),
    ipvsTcpTimeout: or(flags.ipvsTcpTimeout, file.ipvs?.tcpTimeout),
    ipvsTcpfinTimeout: or(flags.ipvsTcpfinTimeout, file.ipvs?.tcpFinTimeout),
    ipvsUdpTimeout: or(flags.ipvsUdpTimeout, file.ipvs?.udpTimeout),
    conntrackMaxPerCore: flags.conntrackMaxPerCore || (file.conntrack?.maxPerCore ?? 0),
    conntrackMin: flags.conntrackMin || (file.conntrack?.min ?? 0),
    conntrackTcpTimeoutEstablished: or(flags.conntrackTcpTimeoutEstablished, file.conntrack?.tcpEstablishedTimeout),
    conntrackTcpTimeoutCloseWait: or(flags.conntrackTcpTimeoutCloseWait, file.conntrack?.tcpCloseWaitTimeout),
    conntrackTcpBeLiberal: flags.conntrackTcpBeLiberal || file.conntrack?.tcpBeLiberal === true,
    conntrackUdpTimeout: or(flags.conntrackUdpTimeout, file.conntrack?.udpTimeout),
    conntrackUdpTimeoutStream: or(flags.conntrackUdpTimeoutStream, file.conntrack?.udpStreamTimeout),
    masqueradeAll: flags.masqueradeAll || ofMode.masqueradeAll === true,
    masqueradeBit: flags.masqueradeBit >= 0 ? flags.masqueradeBit : (ofMode.masqueradeBit ?? -1),
    syncPeriod: or(flags.syncPeriod, ofMode.syncPeriod),
    minSyncPeriodMs: ofMode.minSyncPeriod === undefined ? flags.minSyncPeriodMs : parseGoDuration(ofMode.minSyncPeriod),
  };
}

const defaultMasqueradeBit = 14;
const defaultSyncPeriod = '30s';

const seconds = (duration: string): number => Math.ceil(parseGoDuration(duration || '0s') / 1000);

function localDetectors(config: KubeProxyConfig, podCidrs: readonly string[]): NodeSettings['local'] {
  const byCidr = (cidrs: readonly string[]): NodeSettings['local'] => Object.fromEntries(cidrs.map((cidr): [Family, LocalDetector] => [familyOf(cidr), { cidr }]));
  const both = (detector: LocalDetector): NodeSettings['local'] => ({ 4: detector, 6: detector });
  switch (config.detectLocalMode || 'ClusterCIDR') {
    case 'ClusterCIDR': return byCidr(config.clusterCidr.split(',').map((cidr) => cidr.trim()).filter((cidr) => cidr !== ''));
    case 'NodeCIDR': return byCidr(podCidrs);
    case 'BridgeInterface': return both({ interface: required(config.podBridgeInterface, 'detectLocal.bridgeInterface') });
    case 'InterfaceNamePrefix': return both({ interfacePrefix: required(config.podInterfaceNamePrefix, 'detectLocal.interfaceNamePrefix') });
    default: throw new ConfigError(`detectLocalMode: Unsupported value: ${JSON.stringify(config.detectLocalMode)}: supported values: "ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix"`);
  }
}

function required(value: string, field: string): string {
  if (!value) throw new ConfigError(`${field}: Required value`);
  return value;
}

function checkCidrs(field: string, cidrs: readonly string[]): void {
  for (const cidr of cidrs) {
    try {
      parseCidr(cidr);
    } catch {
      throw new ConfigError(`${field}: Invalid value: ${JSON.stringify(cidr)}: must be a valid CIDR`);
    }
  }
}

/** Addresses on which node ports answer; `primary` is the node's own. */
function nodePortRanges({ nodeportAddresses }: KubeProxyConfig, mode: string, nodeIps: readonly string[]): string[] {
  const words = nodeportAddresses.length ? nodeportAddresses : [mode === 'nftables' ? 'primary' : 'all'];
  if (words.includes('all')) return [];
  return words.flatMap((word) => (word === 'primary' ? nodeIps : [word]));
}

/** Checks and completes; `node` is what the API server knows of this node. Throws ConfigError. */
export function linuxSettings(config: KubeProxyConfig, node: { readonly ips: readonly string[]; readonly podCidrs: readonly string[] }): LinuxSettings {
  const mode = config.proxyMode as LinuxMode;
  const scheduler = config.ipvsScheduler || 'rr';
  if (!ipvsSchedulers.includes(scheduler)) throw new ConfigError(`ipvs.scheduler: Unsupported value: ${JSON.stringify(scheduler)}: supported values: ${ipvsSchedulers.map((s) => JSON.stringify(s)).join(', ')}`);
  const bit = config.masqueradeBit < 0 ? defaultMasqueradeBit : config.masqueradeBit;
  if (bit > 31) throw new ConfigError(`${mode}.masqueradeBit: Invalid value: ${bit}: must be within the range [0, 31]`);
  checkCidrs('clusterCIDR', config.clusterCidr.split(',').map((cidr) => cidr.trim()).filter((cidr) => cidr !== ''));
  const nodePortAddresses = nodePortRanges(config, mode, node.ips);
  checkCidrs('ipvs.excludeCIDRs', config.ipvsExcludeCidrs);
  checkCidrs('nodePortAddresses', nodePortAddresses.filter((range) => range.includes('/')));
  return {
    mode,
    ipvsScheduler: scheduler,
    ipvs: {
      strictArp: config.ipvsStrictArp,
      excludeCidrs: config.ipvsExcludeCidrs,
      timeouts: { tcp: seconds(config.ipvsTcpTimeout), tcpFin: seconds(config.ipvsTcpfinTimeout), udp: seconds(config.ipvsUdpTimeout) },
    },
    families: [4, 6],
    local: localDetectors(config, node.podCidrs),
    nodePortAddresses,
    localhostNodePorts: config.iptablesLocalhostNodeports,
    masqueradeAll: config.masqueradeAll,
    masqueradeBit: bit,
    syncPeriodMs: parseGoDuration(config.syncPeriod || defaultSyncPeriod),
    minSyncPeriodMs: config.minSyncPeriodMs,
    healthzBindAddress: config.healthzBindAddress || '0.0.0.0:10256',
    metricsBindAddress: config.metricsBindAddress || '127.0.0.1:10249',
  };
}
