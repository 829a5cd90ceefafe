import { type ChaosWorld, type Fault, type Injected, type Inventory, cannot, describeVerb, injectNetworkFault, targetsOf } from '@orrery/chaos';
import { Nodes } from '@orrery/api';
import type { Simulation } from './simulation.ts';

/** The faults of a simulated cluster. */
export function simulatedChaos(simulation: Simulation): ChaosWorld {
  const api = simulation.client('orrery:chaos', ['system:masters']);
  const requests = { add: (id: string, fault: Fault) => simulation.addApiFault(id, fault), remove: (id: string) => simulation.removeApiFault(id) };
  /** Labels as far as they can be learned: while the API server is away, names must do. */
  const inventory = async (): Promise<Inventory> => {
    const listed = await api.list(Nodes, { resourceVersion: '0' }).catch(() => undefined);
    const labels = new Map((listed?.items ?? []).map(({ metadata }) => [metadata?.name, metadata?.labels ?? {}]));
    return { components: simulation.components(), nodes: simulation.nodes.map((name) => ({ name, labels: labels.get(name) ?? {} })) };
  };

  const onComponents = async (id: string, fault: Fault, targets: readonly string[]): Promise<() => Promise<void>> => {
    const nothing = (): Promise<void> => Promise.resolve();
    switch (fault.verb) {
      case 'kill':
        for (const name of targets) await simulation.kill(name);
        return nothing;
      case 'restart':
        for (const name of targets) await simulation.restart(name);
        return nothing;
      case 'clock-skew':
        for (const name of targets) simulation.skews.set(name, fault.byMs ?? 0);
        return async () => targets.forEach((name) => simulation.skews.delete(name));
      case 'pause': {
        if (targets.includes('cloud')) simulation.cloud?.pause(id);
        const server = targets.filter((name) => name === 'apiserver' || name === 'store');
        // Without it or its store, nobody's requests get on.
        requests.add(id, { verb: 'pause', selector: server.length ? {} : { users: [...targets] } });
        return async () => {
          requests.remove(id);
          simulation.cloud?.resume(id);
        };
      }
      default: {
        const other = targets.find((name) => name !== 'store');
        if (other) throw new Error(`${fault.verb} is for the store: ${other} keeps nothing on a disk`);
        simulation.diskFaults.add(id, { kind: fault.verb as 'disk-full', ...(fault.delayMs === undefined ? {} : { delayMs: fault.delayMs }), ...(fault.percent === undefined ? {} : { percent: fault.percent }) });
        return async () => simulation.diskFaults.remove(id);
      }
    }
  };

  /** A machine that is gone: its programs are, and nothing reaches its addresses. */
  const outage = async (nodes: readonly string[]): Promise<() => Promise<void>> => {
    for (const node of nodes) {
      simulation.fabric.faults.setNodeDown(node, true);
      await simulation.kill(`kubelet-${node}`, { holdDown: true });
    }
    return async () => {
      for (const node of nodes) {
        simulation.fabric.faults.setNodeDown(node, false);
        await simulation.release(`kubelet-${node}`);
      }
    };
  };

  return {
    name: 'simulated',
    async inject(id: string, fault: Fault): Promise<Injected> {
      const refusal = cannot(fault.verb, 'simulated');
      if (refusal) throw new Error(refusal);
      const { aim } = describeVerb(fault.verb);
      const known = await inventory();
      const targets = targetsOf(fault, known, simulation.random);
      if (aim === 'components') return { targets, end: await onComponents(id, fault, targets) };
      if (aim === 'nodes' || aim === 'zones') return { targets, end: await outage(targets) };
      if (aim === 'pairs') {
        const struck = injectNetworkFault({ id, fault, inventory: known, links: simulation.fabric.faults, requests });
        return { targets: struck.targets, end: async () => struck.end() };
      }
      if (aim === 'requests') {
        requests.add(id, fault);
        return { targets: ['apiserver'], end: async () => requests.remove(id) };
      }
      if (fault.verb === 'clock-jump') {
        simulation.clock.jump(fault.byMs ?? 0);
        return { targets: ['clock'], end: () => Promise.resolve() };
      }
      const { cloud } = simulation;
      if (!cloud) throw new Error('this cluster has no cloud: start it with one, startCluster({ cloud: true })');
      cloud.outages.add(id);
      return { targets: ['cloud'], end: async () => void cloud.outages.delete(id) };
    },
  };
}
