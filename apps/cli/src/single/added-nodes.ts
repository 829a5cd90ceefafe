import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '@orrery/node-io';
import { readJson } from '../read-json.ts';
import { UserError } from '../user-error.ts';

/** A node that was added to a running cluster. Quantities as Kubernetes writes them. */
export interface AddedNode {
  readonly name: string;
  /** Its place among all nodes, which gives its address. */
  readonly index: number;
  readonly cpu: string;
  readonly memory: string;
  readonly pods: number;
  /** key=value each. */
  readonly labels: readonly string[];
  /** key=value:effect each. */
  readonly taints: readonly string[];
}

export type NodeRequest = { readonly action: 'add'; readonly node: Partial<Omit<AddedNode, 'index'>> } | { readonly action: 'remove'; readonly name: string };

/** Orders about nodes, for a cluster that runs. */
export interface NodeControl {
  list(): readonly string[] | Promise<readonly string[]>;
  /** Resolves with its name once the node is registered. */
  add(node: Partial<Omit<AddedNode, 'index'>>): Promise<string>;
  /** Ends what runs on it, as a machine that is switched off, and deletes the Node. */
  remove(name: string): Promise<void>;
}

const dnsName = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

/** The request in a body; undefined when it is none. */
export function nodeRequest(body: unknown): NodeRequest | undefined {
  const { action, name, node } = (body ?? {}) as { action?: unknown; name?: unknown; node?: unknown };
  if (action === 'remove' && typeof name === 'string') return { action, name };
  return action === 'add' && typeof node === 'object' && node !== null ? { action, node: node as Partial<AddedNode> } : undefined;
}

/** The nodes that were added to a cluster and not removed: they come back when it is started again. */
export class AddedNodes {
  private readonly path: string;
  private nodes: readonly AddedNode[];

  constructor(root: string) {
    this.path = join(root, 'nodes.json');
    this.nodes = existsSync(this.path) ? (readJson(this.path, 'it does not say which nodes were added; remove it to go on without them') as AddedNode[]) : [];
  }

  list(): readonly AddedNode[] {
    return this.nodes;
  }

  /** The node that a request comes to, after all that are there. Throws UserError for names that are taken or cannot be. */
  plan(request: Partial<Omit<AddedNode, 'index'>>, context: { first: number; names: readonly string[]; defaults: Pick<AddedNode, 'cpu' | 'memory' | 'pods'> }): AddedNode {
    const index = Math.max(context.first, ...this.nodes.map((node) => node.index + 1));
    const name = request.name ?? `node-${index + 1}`;
    if (!dnsName.test(name) || name.length > 253) throw new UserError(`${JSON.stringify(name)} is no name of a node: lower case letters, digits, "-" and "."`);
    if (context.names.includes(name)) throw new UserError(`there is a node ${name} already`);
    return { labels: [], taints: [], ...context.defaults, ...request, name, index };
  }

  save(nodes: readonly AddedNode[]): void {
    this.nodes = nodes;
    replaceFile(this.path, `${JSON.stringify(nodes, null, 2)}\n`);
  }
}
