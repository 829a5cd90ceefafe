import { Nodes } from '@orrery/api';
import { type ChaosWorld, type Fault, type Injected, type Inventory, cannot, describeVerb, injectNetworkFault, targetsOf } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { Random } from '@orrery/runtime';
import { isAlive } from '../data-dir.ts';
import { type FaultedServers } from './faulted-servers.ts';

export interface ProcessesParts {
  /** pid by component, now: who ended is started again with another. */
  readonly processes: () => Readonly<Record<string, number>>;
  readonly servers: FaultedServers;
  readonly random: Random;
}

const programsOfNode = (node: string): string[] => [`kubelet-${node}`, `container-runtime-${node}`, `kube-proxy-${node}`];

/** Faults of a cluster whose components are processes: signals, and what the API servers do to requests. */
export function processesChaos(parts: ProcessesParts, api: ApiClient): ChaosWorld {
  const { servers } = parts;

  /** Those whose nodes or labels cannot be learned now are known by their processes. */
  const inventory = async (): Promise<Inventory> => {
    const components = Object.keys(parts.processes());
    const listed = await api.list(Nodes).catch(() => undefined);
    const nodes = listed ? listed.items.map(({ metadata }) => ({ name: metadata?.name ?? '', labels: metadata?.labels ?? {} })) : components.flatMap((name) => (name.startsWith('kubelet-') ? [{ name: name.slice('kubelet-'.length) }] : []));
    return { components, nodes };
  };

  const signal = (names: readonly string[], which: NodeJS.Signals): Map<string, number> => {
    const pids = parts.processes();
    const struck = new Map<string, number>();
    for (const name of names) {
      const pid = pids[name];
      if (pid === undefined) continue;
      process.kill(pid, which);
      struck.set(name, pid);
    }
    return struck;
  };

  /** They stand still; whoever was ended meanwhile and started again is another process, which runs. */
  const freeze = (names: readonly string[]): (() => void) => {
    const struck = signal(names, 'SIGSTOP');
    return () => {
      for (const pid of struck.values()) if (isAlive(pid)) process.kill(pid, 'SIGCONT');
    };
  };

  const onProcesses = (fault: Fault, targets: readonly string[]): (() => void) => {
    if (fault.verb === 'pause') return freeze(targets);
    signal(targets, fault.verb === 'kill' ? 'SIGKILL' : 'SIGTERM');
    return () => undefined;
  };

  const one = (name: string): string[] => {
    if (parts.processes()[name] === undefined) throw new Error(`no ${name} runs in this cluster`);
    return [name];
  };

  return {
    name: 'processes',
    async inject(id, fault): Promise<Injected> {
      const refusal = cannot(fault.verb, 'processes');
      if (refusal) throw new Error(refusal);
      const known = await inventory();
      const targets = targetsOf(fault, known, parts.random);
      const done = (struck: readonly string[], end: () => void | Promise<void>): Injected => ({ targets: struck, end: async () => end() });
      switch (describeVerb(fault.verb).aim) {
        case 'components':
          return done(targets, onProcesses(fault, targets));
        case 'nodes':
        case 'zones':
          return done(targets, freeze(targets.flatMap(programsOfNode)));
        case 'requests':
          await servers.add(id, fault);
          return done(['apiserver'], () => servers.remove(id));
        case 'pairs': {
          const added: Promise<void>[] = [];
          const removed: Promise<void>[] = [];
          const requests = { add: (key: string, what: Fault) => void added.push(servers.add(key, what)), remove: (key: string) => void removed.push(servers.remove(key)) };
          const { targets: struck, end } = injectNetworkFault({ id, fault, inventory: known, requests });
          await Promise.all(added);
          return done(struck, async () => {
            end();
            await Promise.all(removed);
          });
        }
        default: {
          const names = one(fault.verb === 'nats-outage' ? 'nats' : 'cloud');
          return done(names, freeze(names));
        }
      }
    },
  };
}
