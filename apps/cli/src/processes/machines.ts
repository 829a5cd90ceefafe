import { ConfigMaps, Nodes } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { isNotFound } from '@orrery/errors';
import { type NodeControl, AddedNodes } from '../single/added-nodes.ts';
import { nodeAddress, nodeAddresses, nodeName } from '../single/addresses.ts';
import type { InstanceHost } from '../single/nodes.ts';
import { UserError } from '../user-error.ts';
import type { NodeMachine } from './specs.ts';
import type { ProcessSpec } from './supervisor.ts';

export interface MachinesOptions {
  /** The data directory, which remembers nodes that were added. */
  readonly root: string;
  /** Nodes have an address of each family. */
  readonly isDualStack: boolean;
  /** How many there are from the beginning, and what they have. */
  readonly nodes: number;
  readonly defaults: Pick<NodeMachine, 'cpu' | 'memory' | 'pods'>;
  /** The programs of a node, in the order in which they start. */
  readonly specs: (machine: NodeMachine) => Promise<readonly ProcessSpec[]>;
  /** Resolves when the program is ready. */
  readonly run: (spec: ProcessSpec) => Promise<void>;
  /** Ends a program for good. */
  readonly end: (name: string) => Promise<void>;
  readonly api: () => ApiClient;
}

/** The nodes of a cluster of processes: each is some programs, which come and go together. */
export interface Machines {
  readonly control: NodeControl;
  readonly instances: InstanceHost;
  /** Starts those that the cluster has from the beginning, and those that were added before. Resolves with the number of programs. */
  start(): Promise<number>;
}

export function createMachines(options: MachinesOptions): Machines {
  const { nodes, defaults, api, isDualStack } = options;
  const ipsOf = (index: number): readonly string[] => nodeAddresses(nodeAddress(index), isDualStack);
  const added = new AddedNodes(options.root);
  /** Programs of each node, as they were started. */
  const running = new Map<string, ProcessSpec[]>();
  const machines = new Set<string>();

  const stop = async (name: string): Promise<void> => {
    const programs = running.get(name) ?? [];
    for (const { name: program } of programs.toReversed()) await options.end(program);
    running.delete(name);
    machines.delete(name);
  };
  const start = async (machine: NodeMachine): Promise<void> => {
    const started: ProcessSpec[] = [];
    running.set(machine.name, started);
    try {
      for (const spec of await options.specs(machine)) {
        started.push(spec);
        await options.run(spec);
      }
    } catch (error) {
      await stop(machine.name);
      throw error;
    }
  };
  const remove = async (work: Promise<unknown>): Promise<void> => {
    await work.catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  };
  /** Others need not look for its switch any more. */
  const forgetSwitch = async (name: string): Promise<void> => {
    for (const one of [name, `node-local-dns-${name}`]) await remove(api().delete(ConfigMaps, { namespace: 'kube-system', name: `vnet-${one}` }));
  };

  const control: NodeControl = {
    list: () => [...running.keys()],
    async add(request) {
      const spec = added.plan(request, { first: nodes, names: [...running.keys()], defaults });
      await start({ ...spec, ips: ipsOf(spec.index) });
      added.save([...added.list(), spec]);
      return spec.name;
    },
    async remove(name) {
      if (machines.has(name)) throw new UserError(`${name} is an instance of the cloud: \`orrery cloud instance terminate ${name}\` ends it`);
      if (!running.has(name)) throw new UserError(`there is no node ${name}`);
      await stop(name);
      added.save(added.list().filter((node) => node.name !== name));
      await remove(api().delete(Nodes, { name }));
      await forgetSwitch(name);
    },
  };
  return {
    control,
    instances: {
      list: () => [...machines],
      async start(machine) {
        if (running.has(machine.name)) throw new UserError(`there is a node ${machine.name} already`);
        machines.add(machine.name);
        await start({ ...machine, pods: defaults.pods, taints: [], isInstance: true });
      },
      async stop(name) {
        await stop(name);
        await forgetSwitch(name);
      },
    },
    async start() {
      const first = Array.from({ length: nodes }, (_, index): NodeMachine => ({ name: nodeName(index), ips: ipsOf(index), ...defaults, labels: [], taints: [], isFirst: index === 0 }));
      const later = added.list().filter(({ index }) => index >= nodes).map((spec): NodeMachine => ({ ...spec, ips: ipsOf(spec.index) }));
      await Promise.all([...first, ...later].map(start));
      return [...running.values()].flat().length;
    },
  };
}
