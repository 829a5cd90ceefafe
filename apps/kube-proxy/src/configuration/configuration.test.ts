import { VirtualClock, createMetrics, resolveConfig } from '@orrery/runtime';
import { describe, expect, it } from 'vitest';
import { type KubeProxyConfig, kubeProxySchema } from '../config.ts';
import { createProxyMetrics } from '../metrics.ts';
import { configz } from './configz.ts';
import { loadConfiguration } from './load.ts';
import { linuxSettings, mergeConfiguration } from './settings.ts';

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n';
const flags = (values: Partial<KubeProxyConfig> = {}): KubeProxyConfig => resolveConfig(kubeProxySchema, [values]);
const node = { ips: ['192.168.0.2', 'fd00::2'], podCidrs: ['10.244.1.0/24'] };

describe('KubeProxyConfiguration', () => {
  it('is read as upstream reads it, flags win', () => {
    const file = loadConfiguration(`${head}mode: nftables\nclusterCIDR: 10.244.0.0/16,fd01::/48\nhostnameOverride: n1\nnftables: {masqueradeBit: 5, minSyncPeriod: 1s, syncPeriod: 1m}\nconntrack: {maxPerCore: 0, tcpEstablishedTimeout: null}\n`);
    const config = mergeConfiguration(flags({ nodeName: 'n2' }), file);
    expect(config).toMatchObject({ proxyMode: 'nftables', nodeName: 'n2', minSyncPeriodMs: 1000 });
    expect(linuxSettings(config, node)).toMatchObject({
      mode: 'nftables', masqueradeBit: 5, syncPeriodMs: 60_000, nodePortAddresses: node.ips,
      local: { 4: { cidr: '10.244.0.0/16' }, 6: { cidr: 'fd01::/48' } },
      healthzBindAddress: '0.0.0.0:10256', metricsBindAddress: '127.0.0.1:10249',
    });
  });

  it('is told of feature gates by its file and flags, and tells of them', () => {
    const { featureGates } = mergeConfiguration(flags({ featureGates: ['WatchListClient=false'] }), loadConfiguration(`${head}featureGates: {AllAlpha: true, WatchListClient: true}\n`));
    expect(configz({ featureGates }, 'iptables')).toMatchObject({ 'kubeproxy.config.k8s.io': { FeatureGates: { AllAlpha: true, WatchListClient: false } } });
    const metrics = createMetrics();
    createProxyMetrics({ metrics, clock: new VirtualClock() }, { failures: { name: 'f_total', help: '' }, featureGates });
    const told = metrics.expose();
    for (const line of ['AllAlpha",stage="ALPHA"} 1', 'WatchListClient",stage="BETA"} 0', 'WatchList",stage="BETA"} 1']) expect(told).toContain(`\nkubernetes_feature_enabled{name="${line}\n`);
  });

  it('has the defaults of upstream', () => {
    expect(linuxSettings(mergeConfiguration(flags(), loadConfiguration(head)), node)).toMatchObject({ mode: 'iptables', masqueradeBit: 14, syncPeriodMs: 30_000, nodePortAddresses: [], ipvsScheduler: 'rr', local: {} });
    expect(linuxSettings(mergeConfiguration(flags({ detectLocalMode: 'NodeCIDR' }), loadConfiguration(head)), node).local).toEqual({ 4: { cidr: '10.244.1.0/24' } });
    expect(linuxSettings(flags({ proxyMode: 'iptables', detectLocalMode: 'BridgeInterface', podBridgeInterface: 'cni0' }), node).local[4]).toEqual({ interface: 'cni0' });
  });

  it.each([
    [`${head}mod: iptables\n`, 'strict decoding error: unknown field "mod"'],
    [`${head}iptables: {masqueradeBits: 1}\n`, 'unknown field "iptables.masqueradeBits"'],
    [`${head}iptables: {syncPeriod: soon}\n`, 'iptables.syncPeriod takes a duration, not "soon"'],
    ['apiVersion: v1\nkind: ConfigMap\n', 'no kind "ConfigMap" is registered for version "v1"'],
    ['{', 'cannot read the configuration'],
  ])('refuses %j', (text, message) => expect(() => loadConfiguration(text)).toThrow(message));

  it.each([
    [{ detectLocalMode: 'Guess' }, 'detectLocalMode: Unsupported value: "Guess"'],
    [{ detectLocalMode: 'BridgeInterface' }, 'detectLocal.bridgeInterface: Required value'],
    [{ clusterCidr: '10.0.0.0/99' }, 'clusterCIDR: Invalid value: "10.0.0.0/99"'],
    [{ masqueradeBit: 32 }, 'iptables.masqueradeBit: Invalid value: 32'],
    [{ ipvsScheduler: 'best' }, 'ipvs.scheduler: Unsupported value: "best"'],
  ])('refuses %j', (values, message) => expect(() => linuxSettings(flags({ proxyMode: 'iptables', ...values }), node)).toThrow(message));
});
