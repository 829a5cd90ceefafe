import { Nodes } from '@orrery/api';
import { type ChaosWorld, type Inventory, ProcessFaultBook, type ToldFaults, apartWorld, tellEach } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { Random } from '@orrery/runtime';
import { type FaultedServers } from './faulted-servers.ts';
import { pauseProcesses, signalProcess } from './paused-processes.ts';

export interface ProcessesParts {
  /** pid by component, now: who ended is started again with another. */
  readonly processes: () => Readonly<Record<string, number>>;
  readonly servers: FaultedServers;
  /** Tells a process what is wrong with it. */
  readonly tell: (component: string, told: ToldFaults) => Promise<void>;
  readonly random: Random;
}

/** Programs that take no `--faults-file`. */
const deaf = new Set(['nats', 'balancer']);

/** Faults of a cluster whose components are processes: signals, what the API servers do to requests, what processes are told is wrong with them. */
export function processesChaos(parts: ProcessesParts, api: ApiClient): ChaosWorld {
  const { servers, random } = parts;
  const book = new ProcessFaultBook(parts.tell);

  const inventory = async (): Promise<Inventory> => {
    const components = Object.keys(parts.processes());
    const listed = await api.list(Nodes).catch(() => undefined);
    const nodes = listed ? listed.items.map(({ metadata }) => ({ name: metadata?.name ?? '', labels: metadata?.labels ?? {} })) : components.flatMap((name) => (name.startsWith('kubelet-') ? [{ name: name.slice('kubelet-'.length) }] : []));
    return { components, nodes };
  };

  const pidsOf = (names: readonly string[]): number[] => {
    const pids = parts.processes();
    return names.flatMap((name) => pids[name] ?? []);
  };
  const signal = (names: readonly string[], which: NodeJS.Signals): void => {
    for (const pid of pidsOf(names)) signalProcess(pid, which);
  };

  return apartWorld({
    name: 'processes',
    inventory,
    kill: async (names) => signal(names, 'SIGKILL'),
    restart: async (names) => signal(names, 'SIGTERM'),
    async pause(names) {
      const { resume } = pauseProcesses(pidsOf(names));
      return async () => resume();
    },
    ofNode: (node) => [`kubelet-${node}`, `container-runtime-${node}`, `kube-proxy-${node}`],
    book,
    // The switch of a node is its container runtime's; those of both ends must know.
    strikeLink({ id, from, to, oneWay, fault }) {
      const here = Object.keys(parts.processes());
      const switches = [from, to].map((node) => `container-runtime-${node}`).filter((name) => here.includes(name));
      return tellEach(book, switches, { id, link: { from, to, ...(oneWay ? { oneWay } : {}), ...(fault ? { fault } : {}) } });
    },
    isTold: (component) => !deaf.has(component),
    requests: servers,
    random,
  });
}
