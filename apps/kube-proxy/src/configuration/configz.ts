import { formatGoDuration, givenGate, parseGoDuration } from '@orrery/runtime';
import { type KubeProxyConfig, kubeProxySchema } from '../config.ts';

const defaults = Object.fromEntries(Object.entries(kubeProxySchema).map(([name, field]) => [name, field.default])) as unknown as KubeProxyConfig;
const listed = (text: string): string[] => text.split(',').map((part) => part.trim()).filter((part) => part !== '');
/** As Go prints a duration; one that is not given is `otherwise`. */
const duration = (text: string, otherwise = '0s'): string => (text ? formatGoDuration(parseGoDuration(text)) : otherwise);
const optional = (text: string): string | null => (text ? duration(text) : null);

/**
 * The settings in effect as /configz shows them. Upstream prints its internal KubeProxyConfiguration there, whose fields have Go's names, not those of the file; those that mean
 * nothing here have the values that upstream's default is.
 */
export function configz(settings: Partial<KubeProxyConfig>, mode: string): Record<string, unknown> {
  const config = { ...defaults, ...settings };
  const masqueradeBit = config.masqueradeBit < 0 ? 14 : config.masqueradeBit;
  return {
    'kubeproxy.config.k8s.io': {
      Linux: {
        Conntrack: {
          MaxPerCore: config.conntrackMaxPerCore,
          Min: config.conntrackMin,
          TCPEstablishedTimeout: optional(config.conntrackTcpTimeoutEstablished),
          TCPCloseWaitTimeout: optional(config.conntrackTcpTimeoutCloseWait),
          TCPBeLiberal: config.conntrackTcpBeLiberal,
          UDPTimeout: duration(config.conntrackUdpTimeout),
          UDPStreamTimeout: duration(config.conntrackUdpTimeoutStream),
        },
        MasqueradeAll: config.masqueradeAll,
        OOMScoreAdj: -999,
      },
      Windows: { RunAsService: false },
      FeatureGates: Object.fromEntries(config.featureGates.map((entry) => entry.split('=')).map(([name = '', value = '']) => [name, givenGate([`${name}=${value}`], name) ?? false])),
      HostnameOverride: config.nodeName,
      BindAddress: '0.0.0.0',
      HealthzBindAddress: config.healthzBindAddress || '0.0.0.0:10256',
      MetricsBindAddress: config.metricsBindAddress || '127.0.0.1:10249',
      BindAddressHardFail: false,
      EnableProfiling: false,
      ShowHiddenMetricsForVersion: '',
      Mode: mode,
      IPTables: { MasqueradeBit: masqueradeBit, LocalhostNodePorts: config.iptablesLocalhostNodeports },
      IPVS: {
        Scheduler: config.ipvsScheduler,
        ExcludeCIDRs: config.ipvsExcludeCidrs,
        StrictARP: config.ipvsStrictArp,
        TCPTimeout: duration(config.ipvsTcpTimeout),
        TCPFinTimeout: duration(config.ipvsTcpfinTimeout),
        UDPTimeout: duration(config.ipvsUdpTimeout),
      },
      Winkernel: { NetworkName: '', SourceVip: '', EnableDSR: false, RootHnsEndpointName: '', ForwardHealthCheckVip: false },
      NFTables: { MasqueradeBit: masqueradeBit },
      DetectLocalMode: config.detectLocalMode || 'ClusterCIDR',
      DetectLocal: { BridgeInterface: config.podBridgeInterface, ClusterCIDRs: listed(config.clusterCidr), InterfaceNamePrefix: config.podInterfaceNamePrefix },
      NodePortAddresses: config.nodeportAddresses,
      SyncPeriod: duration(config.syncPeriod, '30s'),
      MinSyncPeriod: formatGoDuration(config.minSyncPeriodMs),
      ConfigSyncPeriod: '15m0s',
    },
  };
}
