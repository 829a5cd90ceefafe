import type { Random } from '@orrery/runtime';
import { callers } from './api-faults.ts';
import type { Fault } from './fault.ts';
import { describeVerb } from './verbs.ts';

/** What there is to be struck. */
export interface Inventory {
  /** `scheduler`, `store-1`, `kubelet-node-1`. */
  readonly components: readonly string[];
  readonly nodes: readonly { readonly name: string; readonly labels?: Readonly<Record<string, string>> }[];
}

const zoneLabel = 'topology.kubernetes.io/zone';
const perNode = ['kubelet', 'kube-proxy', 'container-runtime'];

/** `kubelet` is every kubelet, `store` every store; the node's name in place of its kubelet is understood. */
function componentsNamed(name: string, { components, nodes }: Inventory): string[] {
  if (components.includes(name)) return [name];
  const many = components.filter((component) => component.startsWith(`${name}-`) && (perNode.includes(name) || /^\d+$/.test(component.slice(name.length + 1))));
  if (many.length) return many;
  if (nodes.some((node) => node.name === name) && components.includes(`kubelet-${name}`)) return [`kubelet-${name}`];
  throw new Error(`there is no component ${JSON.stringify(name)}; there are: ${components.join(', ')}`);
}

function nodesOf({ selector }: Fault, { nodes }: Inventory): string[] {
  for (const name of selector.nodes ?? []) {
    if (!nodes.some((node) => node.name === name)) throw new Error(`there is no node ${JSON.stringify(name)}; there are: ${nodes.map((node) => node.name).join(', ')}`);
  }
  const labels = Object.entries(selector.nodeLabels ?? {});
  const found = nodes.filter((node) => (selector.nodes ? selector.nodes.includes(node.name) : true) && labels.every(([key, value]) => node.labels?.[key] === value));
  if (!found.length) throw new Error('no node matches the selector');
  return found.map((node) => node.name);
}

function zonesOf({ selector }: Fault, { nodes }: Inventory): string[] {
  const known = [...new Set(nodes.flatMap((node) => node.labels?.[zoneLabel] ?? []))].sort();
  for (const zone of selector.zones ?? []) {
    if (!known.includes(zone)) throw new Error(`no node is in a zone ${JSON.stringify(zone)}; ${known.length ? `there are: ${known.join(', ')}` : `no node has the label ${zoneLabel}`}`);
  }
  return nodes.filter((node) => selector.zones?.includes(node.labels?.[zoneLabel] ?? '')).map((node) => node.name);
}

function drawn(names: readonly string[], count: number | undefined, random: Random): string[] {
  const left = [...names];
  if (count === undefined || count >= left.length) return left;
  return Array.from({ length: count }, () => left.splice(random.int(left.length), 1)[0] as string).sort();
}

/** The components or nodes that a fault is aimed at; of faults of requests, pairs and the cluster: none. Throws an Error that says what is not there. */
export function targetsOf(fault: Fault, inventory: Inventory, random: Random): string[] {
  switch (describeVerb(fault.verb).aim) {
    case 'components':
      return drawn([...new Set((fault.selector.components ?? []).flatMap((name) => componentsNamed(name, inventory)))], fault.selector.count, random);
    case 'nodes':
      return drawn(nodesOf(fault, inventory), fault.selector.count, random);
    case 'zones':
      return zonesOf(fault, inventory);
    default:
      return [];
  }
}

/** A link between two ends: nodes, or the API server and who speaks to it. */
export interface Pair {
  readonly from: string;
  readonly to: string;
}

/** The API server as an end of a link, however many of it there are: what befalls its requests is done by all of them. */
export const apiServerEnd = 'apiserver';

/** What a name stands for as an end of a link. The API server knows callers by their users, and all replicas of a component, on whichever node, are one user: they are cut off together. */
function endsNamed(name: string, inventory: Inventory): string[] {
  if (name === apiServerEnd || inventory.nodes.some((node) => node.name === name)) return [name];
  const named = componentsNamed(name, inventory);
  if (named.every((component) => component.startsWith('kubelet-'))) return named;
  if (callers.includes(name)) return [name];
  const group = callers.find((caller) => name.startsWith(`${caller}-`));
  throw new Error(group ? `all replicas of ${group} are one user to the API server, and can only be struck together: name ${group}` : `${name} asks nothing of the API server`);
}

/** Every pair of one end and the other; `kubelet` is every kubelet. Throws an Error that says what is not there, or cannot be an end. */
export function pairsOf({ selector }: Fault, inventory: Inventory): Pair[] {
  const ends = (names: readonly string[] = []): string[] => [...new Set(names.flatMap((name) => endsNamed(name, inventory)))];
  const others = ends(selector.to);
  return ends(selector.from).flatMap((from) => others.filter((to) => to !== from).map((to) => ({ from, to })));
}
