import type { Nft } from '@orrery/linux';
import type { PodPolicy, PolicySet, SwitchControl, TrafficPeer, TrafficRule } from '@orrery/vnet';

/** One table for both families, beside kube-proxy's own. */
export const policyTable = 'inet orrery-network-policy';

const isV6 = (address: string): boolean => address.includes(':');

function list(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `{ ${values.join(', ')} }`;
}

/** Matches of the other end, one rule each; `side` is where it stands in a packet. */
function peerMatches(peers: readonly TrafficPeer[] | undefined, side: 'saddr' | 'daddr'): string[] {
  if (!peers) return [''];
  return peers.flatMap((peer) => {
    if (!('ips' in peer)) {
      const ip = isV6(peer.cidr) ? 'ip6' : 'ip';
      return [`${ip} ${side} ${peer.cidr} ${peer.except.length ? `${ip} ${side} != ${list(peer.except)} ` : ''}`];
    }
    const byFamily = [['ip', peer.ips.filter((ip) => !isV6(ip))], ['ip6', peer.ips.filter(isV6)]] as const;
    return byFamily.flatMap(([ip, ips]) => (ips.length ? [`${ip} ${side} ${list(ips)} `] : []));
  });
}

function portMatches(ports: TrafficRule['ports']): string[] {
  if (!ports) return [''];
  return ports.map(({ protocol, from, to }) => {
    const name = protocol.toLowerCase();
    if (from === 0 && to === 65_535) return `meta l4proto ${name} `;
    return `${name} dport ${from === to ? from : `${from}-${to}`} `;
  });
}

function ruleLines(rule: TrafficRule, side: 'saddr' | 'daddr'): string[] {
  return peerMatches(rule.peers, side).flatMap((peer) => portMatches(rule.ports).map((port) => `${peer}${port}accept`));
}

/** Policies that are no pod's are shared by name, so that a rule of thousands of peers is there once. */
function podLines(pod: PodPolicy, index: number): string[] {
  const chains = ([['ingress', pod.ingress], ['egress', pod.egress]] as const).flatMap(([direction, rules]) => {
    if (!rules) return [];
    return [
      `add chain ${policyTable} pod-${index}-${direction}`,
      ...rules.map((rule) => `add rule ${policyTable} pod-${index}-${direction} jump rule-${rule}-${direction}`),
      `add rule ${policyTable} pod-${index}-${direction} drop comment "no network policy allows it"`,
      ...pod.ips.map((ip) => `add element ${policyTable} ${direction}-${isV6(ip) ? 'ip6' : 'ip'} { ${ip} : goto pod-${index}-${direction} }`),
    ];
  });
  return chains;
}

/**
 * The table for some pods of one node: what a policy isolates is dropped unless a rule accepts it. Packets are seen where they are
 * forwarded, after services have been translated; what comes from the node itself is never forwarded, and so always passes, as
 * does everything of a connection that was let through. A rule's `accept` ends only its own direction: the other follows by its
 * own chain at a later priority. With `localPods`, pods' addresses are the node's own: what others send them is not forwarded but comes in.
 */
export function renderPolicies({ rules, pods }: PolicySet, { localPods = false }: { localPods?: boolean } = {}): string {
  const used = (direction: 'ingress' | 'egress'): number[] => [...new Set(pods.flatMap((pod) => pod[direction] ?? []))];
  const maps = (['ingress', 'egress'] as const).flatMap((direction) =>
    ([['ip', 'ipv4_addr'], ['ip6', 'ipv6_addr']] as const).map(([ip, type]) => `add map ${policyTable} ${direction}-${ip} { type ${type} : verdict ; }`),
  );
  const lines = [`add table ${policyTable}`, `delete table ${policyTable}`];
  if (pods.length) {
    lines.push(`add table ${policyTable}`, ...maps);
    const hooks = [['egress', 'saddr', 0], ['ingress', 'daddr', 1]] as const;
    for (const [direction, , priority] of hooks) {
      lines.push(`add chain ${policyTable} forward-${direction} { type filter hook forward priority ${priority} ; }`);
      lines.push(`add rule ${policyTable} forward-${direction} ct state established,related accept`);
    }
    if (localPods) {
      lines.push(`add chain ${policyTable} input-ingress { type filter hook input priority 1 ; }`);
      lines.push(`add rule ${policyTable} input-ingress ct state established,related accept`, `add rule ${policyTable} input-ingress iif lo accept comment "the node itself"`);
    }
    for (const direction of ['ingress', 'egress'] as const) {
      for (const index of used(direction)) {
        const rule = rules[index];
        lines.push(`add chain ${policyTable} rule-${index}-${direction}`);
        for (const line of rule ? ruleLines(rule, direction === 'ingress' ? 'saddr' : 'daddr') : []) lines.push(`add rule ${policyTable} rule-${index}-${direction} ${line}`);
      }
    }
    lines.push(...pods.flatMap(podLines));
    for (const [direction, side] of hooks) {
      for (const ip of ['ip', 'ip6'] as const) lines.push(`add rule ${policyTable} forward-${direction} ${ip} ${side} vmap @${direction}-${ip}`);
    }
    if (localPods) for (const ip of ['ip', 'ip6'] as const) lines.push(`add rule ${policyTable} input-ingress ${ip} daddr vmap @ingress-${ip}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Enforces policies in the kernel; the whole table changes in one transaction. */
export function createPolicyBackEnd(nft: Nft, options: { localPods?: boolean } = {}): Pick<SwitchControl, 'setPolicies'> {
  return { setPolicies: (policies) => nft.apply(renderPolicies(policies, options)) };
}
