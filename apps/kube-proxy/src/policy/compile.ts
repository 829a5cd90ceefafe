import { type LabelSelectorObject, selectorFromObject } from '@orrery/apimachinery';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '@orrery/api/types';
import type { PodPolicy, PolicyProtocol, TrafficPeer, TrafficRule } from '@orrery/vnet';

/** A pod as policies see it. Pods in the host's network have no address of their own and are not among them. */
export interface PolicyPod {
  readonly namespace: string;
  readonly name: string;
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ips: readonly string[];
  readonly ports: readonly { readonly name: string; readonly protocol: PolicyProtocol; readonly port: number }[];
}

export interface PolicyWorld {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly PolicyPod[];
  /** Labels by namespace. */
  readonly namespaces: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

export interface CompiledPolicies {
  readonly rules: readonly TrafficRule[];
  readonly pods: readonly (PodPolicy & { readonly nodeName: string })[];
}

type Ports = NonNullable<TrafficRule['ports']>;
type Range = Ports[number];

interface Direction {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

const matcher = (selector: unknown): ((labels: Readonly<Record<string, string>>) => boolean) => {
  const { matches } = selectorFromObject(selector as LabelSelectorObject | undefined);
  return (labels) => matches(labels);
};

const protocolOf = ({ protocol }: NetworkPolicyPort): PolicyProtocol => (protocol ?? 'TCP') as PolicyProtocol;
const isNamed = ({ port }: NetworkPolicyPort): boolean => typeof port === 'string';

/** A port given by number, a range, or none, which is all of the protocol. */
function numbered(port: NetworkPolicyPort): Range {
  const protocol = protocolOf(port);
  if (port.port === undefined) return { protocol, from: 0, to: 65_535 };
  return { protocol, from: Number(port.port), to: port.endPort ?? Number(port.port) };
}

/** What a port's name means at one pod: the ports of its containers that have it. */
function resolveName(port: NetworkPolicyPort, pod: PolicyPod): Range[] {
  const protocol = protocolOf(port);
  return pod.ports.filter((p) => p.name === port.port && p.protocol === protocol).map((p) => ({ protocol, from: p.port, to: p.port }));
}

class Compiler {
  readonly rules: TrafficRule[] = [];
  private readonly world: PolicyWorld;
  private readonly podsByNamespace: ReadonlyMap<string, readonly PolicyPod[]>;

  constructor(world: PolicyWorld) {
    this.world = world;
    this.podsByNamespace = Map.groupBy(world.pods, (pod) => pod.namespace);
  }

  podsIn(namespace: string, selector: unknown): PolicyPod[] {
    const selected = matcher(selector);
    return (this.podsByNamespace.get(namespace) ?? []).filter((pod) => selected(pod.labels));
  }

  /** Indices of the rules that a rule of a policy becomes at each of the pods it selects. */
  ingress(rule: Direction, namespace: string, pods: readonly PolicyPod[]): (pod: PolicyPod) => number[] {
    const peers = this.peers(rule.peers, namespace);
    const named = (rule.ports ?? []).filter(isNamed);
    if (!rule.ports?.length || !named.length || !pods.length) {
      const index = this.add({ ...peers, ...(rule.ports?.length ? { ports: rule.ports.map(numbered) } : {}) });
      return () => [index];
    }
    const fixed = rule.ports.filter((port) => !isNamed(port)).map(numbered);
    const byPorts = new Map<string, number>();
    return (pod) => {
      const ports = [...fixed, ...named.flatMap((port) => resolveName(port, pod))];
      if (!ports.length) return [];
      const key = JSON.stringify(ports);
      const index = byPorts.get(key) ?? this.add({ ...peers, ports });
      byPorts.set(key, index);
      return [index];
    };
  }

  /** Names of ports mean what they mean at the pods that are reached, so each meaning is a rule of its own. */
  egress(rule: Direction, namespace: string): number[] {
    const named = (rule.ports ?? []).filter(isNamed);
    const fixed = (rule.ports ?? []).filter((port) => !isNamed(port)).map(numbered);
    const indices: number[] = [];
    if (!named.length || fixed.length) indices.push(this.add({ ...this.peers(rule.peers, namespace), ...(rule.ports?.length ? { ports: fixed } : {}) }));
    const reached = named.length ? this.peerPods(rule.peers, namespace) : [];
    for (const port of named) {
      const byRange = Map.groupBy(reached.flatMap((pod) => resolveName(port, pod).map((range) => ({ pod, range }))), ({ range }) => range.from);
      for (const found of byRange.values()) {
        indices.push(this.add({ peers: [{ ips: found.flatMap(({ pod }) => pod.ips) }], ports: found.slice(0, 1).map(({ range }) => range) }));
      }
    }
    return indices;
  }

  private add(rule: TrafficRule): number {
    return this.rules.push(rule) - 1;
  }

  private peers(peers: readonly NetworkPolicyPeer[] | undefined, namespace: string): { peers: TrafficPeer[] } | Record<string, never> {
    if (!peers?.length) return {};
    const blocks: TrafficPeer[] = peers.flatMap(({ ipBlock }) => (ipBlock ? [{ cidr: ipBlock.cidr ?? '', except: ipBlock.except ?? [] }] : []));
    const selectors = peers.filter(({ ipBlock }) => !ipBlock);
    const ips = selectors.length ? this.peerPods(selectors, namespace).flatMap((pod) => pod.ips) : [];
    return { peers: [...blocks, ...(ips.length ? [{ ips }] : [])] };
  }

  private peerPods(peers: readonly NetworkPolicyPeer[] | undefined, namespace: string): PolicyPod[] {
    if (!peers?.length) return [...this.world.pods];
    const found = new Set<PolicyPod>();
    for (const { namespaceSelector, podSelector, ipBlock } of peers) {
      if (ipBlock) continue;
      const selected = namespaceSelector && matcher(namespaceSelector);
      const namespaces = selected ? [...this.world.namespaces].filter(([, labels]) => selected(labels)).map(([name]) => name) : [namespace];
      for (const name of namespaces) for (const pod of this.podsIn(name, podSelector ?? {})) found.add(pod);
    }
    return [...found];
  }
}

/** Without `policyTypes`: Ingress always, Egress when there are egress rules, as defaulting has it. */
function directions({ spec = {} }: NetworkPolicy): { ingress: boolean; egress: boolean } {
  const types = spec.policyTypes;
  if (!types?.length) return { ingress: true, egress: !!spec.egress?.length };
  return { ingress: types.includes('Ingress'), egress: types.includes('Egress') };
}

/** Resolves all selectors and names of ports: what may pass at each pod that some policy selects. */
export function compilePolicies(world: PolicyWorld): CompiledPolicies {
  const compiler = new Compiler(world);
  const isolated = new Map<PolicyPod, { ingress?: number[]; egress?: number[] }>();
  const at = (pod: PolicyPod, direction: 'ingress' | 'egress', indices: readonly number[]): void => {
    let entry = isolated.get(pod);
    if (!entry) isolated.set(pod, (entry = {}));
    (entry[direction] ??= []).push(...indices);
  };
  for (const policy of world.policies) {
    const namespace = policy.metadata?.namespace ?? '';
    const selected = compiler.podsIn(namespace, policy.spec?.podSelector ?? {});
    if (!selected.length) continue;
    const { ingress, egress } = directions(policy);
    if (ingress) {
      const rules = (policy.spec?.ingress ?? []).map((rule) => compiler.ingress({ peers: rule.from, ports: rule.ports }, namespace, selected));
      for (const pod of selected) at(pod, 'ingress', rules.flatMap((indices) => indices(pod)));
    }
    if (egress) {
      const indices = (policy.spec?.egress ?? []).flatMap((rule) => compiler.egress({ peers: rule.to, ports: rule.ports }, namespace));
      for (const pod of selected) at(pod, 'egress', indices);
    }
  }
  const pods = [...isolated].map(([pod, sides]) => ({ ips: pod.ips, nodeName: pod.nodeName, ...sides }));
  return { rules: compiler.rules, pods };
}

/** The part of the rules that some pods need, for a switch in another process. */
export function narrow(rules: readonly TrafficRule[], pods: readonly PodPolicy[]): { rules: TrafficRule[]; pods: PodPolicy[] } {
  const kept = new Map<number, number>();
  const keep = (index: number): number => {
    const known = kept.get(index) ?? kept.size;
    kept.set(index, known);
    return known;
  };
  const renamed = pods.map(({ ips, ingress, egress }) => ({ ips, ...(ingress ? { ingress: ingress.map(keep) } : {}), ...(egress ? { egress: egress.map(keep) } : {}) }));
  return { rules: [...kept.keys()].flatMap((index) => rules[index] ?? []), pods: renamed };
}
