import type { Node, NodeAddress, Taint } from '@orrery/api/types';
import type { Instance } from '@orrery/proto/cloud';
import { normalizeIp } from '@orrery/vnet';
import { addressesOf, uninitializedTaint } from './instance-lookup.ts';

const zoneLabels = ['topology.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/zone'] as const;
const regionLabels = ['topology.kubernetes.io/region', 'failure-domain.beta.kubernetes.io/region'] as const;
const typeLabels = ['node.kubernetes.io/instance-type', 'beta.kubernetes.io/instance-type'] as const;
/** The kubelet writes here what it was told of its addresses. */
const providedIpAnnotation = 'alpha.kubernetes.io/provided-node-ip';
/** Labels of these domains are Kubernetes' own: a cloud does not set them as it likes. */
const reservedLabel = /(^|\.)(kubernetes|k8s)\.io\//;

/** What a node is told once, when the cloud knows its instance. */
export interface NodeInitialization {
  readonly providerID: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
}

const pairs = (names: readonly string[], value = ''): [string, string][] => (value ? names.map((name) => [name, value]) : []);

export function initialization(node: Node, instance: Instance): NodeInitialization {
  const has = node.metadata?.labels ?? {};
  const extra = Object.entries(instance.labels ?? {}).filter(([name]) => !reservedLabel.test(name) && has[name] === undefined);
  return {
    providerID: node.spec?.providerID || (instance.providerId ?? ''),
    labels: Object.fromEntries([...pairs(typeLabels, instance.type), ...pairs(zoneLabels, instance.zone), ...pairs(regionLabels, instance.region), ...extra]),
    taints: (node.spec?.taints ?? []).filter(({ key }) => key !== uninitializedTaint),
  };
}

/** The older name of a label follows the newer. Only what has to change. */
export function labelCorrections(node: Node): Record<string, string> {
  const labels = node.metadata?.labels ?? {};
  const wrong = [zoneLabels, regionLabels, typeLabels].flatMap(([primary, secondary]): [string, string][] => {
    const value = labels[primary];
    return value !== undefined && labels[secondary] !== value ? [[secondary, value]] : [];
  });
  return Object.fromEntries(wrong);
}

/** Labels of the instance that have changed since. */
export function changedLabels(node: Node, instance: Instance): Record<string, string> {
  return Object.fromEntries(Object.entries(instance.labels ?? {}).filter(([name, value]) => !reservedLabel.test(name) && node.metadata?.labels?.[name] !== value));
}

/**
 * The addresses a node should have. Those that the kubelet was told, the one of its primary family first, come before others of their type. Throws
 * an Error when the cloud does not know one. As `GetNodeAddressesFromNodeIP` of upstream's k8s.io/cloud-provider.
 */
export function nodeAddresses(node: Node, instance: Instance): NodeAddress[] {
  const known = addressesOf(instance);
  const provided = (node.metadata?.annotations?.[providedIpAnnotation] ?? '').split(',').filter(Boolean);
  if (!provided.length) return known;
  const enforced = provided.map((text) => normalizeIp(text.trim())).flatMap((ip) => {
    const matching = known.filter(({ address }) => normalizeIp(address) === ip);
    if (!matching.length) throw new Error(`failed to get node address from cloud provider that matches ip: ${ip}`);
    return matching;
  });
  const types = [...new Set(known.map(({ type }) => type))];
  return types.flatMap((wanted) => [...new Set([...enforced, ...known])].filter(({ type }) => type === wanted));
}
