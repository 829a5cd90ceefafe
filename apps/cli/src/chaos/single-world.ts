import { Nodes } from '@orrery/api';
import { type ApiFaults, type ChaosWorld, type DiskFaults, type Fault, type Injected, type Inventory, cannot, describeVerb, injectNetworkFault, targetsOf } from '@orrery/chaos';
import type { ApiClient } from '@orrery/client';
import type { Random } from '@orrery/runtime';
import type { Faults } from '@orrery/vnet';

/** The parts of a cluster in one process that faults reach. */
export interface SingleParts {
  readonly requests: ApiFaults;
  readonly links: Pick<Faults, 'partition' | 'heal' | 'setLink' | 'setNodeDown'>;
  readonly disk: DiskFaults;
  /** Cuts the cloud off, or gives it back. */
  readonly setCloudDown: (down: boolean) => void;
  /** Moves the cluster's time ahead at once. */
  readonly jump: (ms: number) => void;
  /** Stops a component and starts another in its place; rejects in words where that cannot be. */
  readonly restart: (component: string) => Promise<void>;
  readonly random: Random;
  readonly components: readonly string[];
}

/** Faults of a cluster in one process: nothing in it can be killed alone, or have a clock of its own; who stands still or is gone is neither heard nor told. */
export function singleChaos(parts: SingleParts, api: ApiClient): ChaosWorld {
  const { requests } = parts;
  /** The faults because of which the cloud answers nothing. */
  const cloudless = new Set<string>();
  const withoutCloud = (id: string): (() => void) => {
    parts.setCloudDown(cloudless.add(id).size > 0);
    return () => {
      cloudless.delete(id);
      parts.setCloudDown(cloudless.size > 0);
    };
  };
  const inventory = async (): Promise<Inventory> => {
    const nodes = (await api.list(Nodes)).items.map(({ metadata }) => ({ name: metadata?.name ?? '', labels: metadata?.labels ?? {} }));
    return { components: [...parts.components, ...nodes.map(({ name }) => `kubelet-${name}`)], nodes };
  };

  const onComponents = async (id: string, fault: Fault, targets: readonly string[]): Promise<() => void> => {
    if (fault.verb === 'restart') {
      for (const name of targets) await parts.restart(name);
      return () => undefined;
    }
    if (fault.verb === 'pause') {
      const whole = targets.some((name) => name === 'apiserver' || name === 'store');
      requests.add(id, { verb: 'pause', selector: whole ? {} : { users: [...targets] } });
      // It asks nothing of the API server: it is asked.
      const back = targets.includes('cloud') ? withoutCloud(id) : undefined;
      return () => {
        requests.remove(id);
        back?.();
      };
    }
    const other = targets.find((name) => name !== 'store');
    if (other) throw new Error(`${fault.verb} is for the store: ${other} keeps nothing on a disk`);
    parts.disk.add(id, { kind: fault.verb as 'disk-full', ...(fault.delayMs === undefined ? {} : { delayMs: fault.delayMs }), ...(fault.percent === undefined ? {} : { percent: fault.percent }) });
    return () => parts.disk.remove(id);
  };

  const outage = (id: string, nodes: readonly string[]): (() => void) => {
    for (const node of nodes) parts.links.setNodeDown(node, true);
    requests.add(id, { verb: 'partition', selector: { users: nodes.map((node) => `system:node:${node}`) } });
    return () => {
      for (const node of nodes) parts.links.setNodeDown(node, false);
      requests.remove(id);
    };
  };

  const ofCluster = (id: string, fault: Fault): (() => void) => {
    if (fault.verb === 'clock-jump') {
      if ((fault.byMs ?? 0) < 0) throw new Error('the cluster\'s time never goes back: it can only jump ahead');
      parts.jump(fault.byMs ?? 0);
      return () => undefined;
    }
    return withoutCloud(id);
  };

  return {
    name: 'single',
    async inject(id, fault): Promise<Injected> {
      const refusal = cannot(fault.verb, 'single');
      if (refusal) throw new Error(refusal);
      if (fault.verb === 'cloud-outage' && !parts.components.includes('cloud')) throw new Error('this cluster has no cloud: it was started --without it');
      const known = await inventory();
      const targets = targetsOf(fault, known, parts.random);
      const done = (struck: readonly string[], end: () => void): Injected => ({ targets: struck, end: async () => end() });
      switch (describeVerb(fault.verb).aim) {
        case 'components':
          return done(targets, await onComponents(id, fault, targets));
        case 'nodes':
        case 'zones':
          return done(targets, outage(id, targets));
        case 'pairs': {
          const struck = injectNetworkFault({ id, fault, inventory: known, links: parts.links, requests });
          return done(struck.targets, struck.end);
        }
        case 'requests':
          requests.add(id, fault);
          return done(['apiserver'], () => requests.remove(id));
        default:
          return done([fault.verb === 'clock-jump' ? 'clock' : 'cloud'], ofCluster(id, fault));
      }
    },
  };
}
