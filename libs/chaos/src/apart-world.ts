import type { Random } from '@orrery/runtime';
import type { Fault } from './fault.ts';
import { injectNetworkFault } from './network.ts';
import { type ProcessFault, ProcessFaultBook, type ToldFaults } from './process-faults.ts';
import { type Inventory, targetsOf } from './targets.ts';
import { cannot, describeVerb } from './verbs.ts';
import type { ChaosWorld, Injected } from './world.ts';

/** A cluster whose components are apart from each other: processes of a machine, or containers. */
export interface ApartParts {
  readonly name: 'processes' | 'compose';
  /** What there is now: nodes by the API server where it answers, by their kubelets where it does not. */
  inventory(): Promise<Inventory>;
  /** Ends them without a word; whoever runs them starts them again. */
  kill(components: readonly string[]): Promise<void>;
  /** Ends them in good order and starts them again. */
  restart(components: readonly string[]): Promise<void>;
  /** They stand still until what is returned is called. */
  pause(components: readonly string[]): Promise<() => Promise<void>>;
  /** Everything that runs on a node. */
  ofNode(node: string): readonly string[];
  /** Tells a process what is wrong with it; resolves once it does so. Undefined of one that does not listen: no program of this repository. */
  readonly tell: (component: string, told: ToldFaults) => Promise<void>;
  isTold(component: string): boolean;
  readonly requests: {
    add(id: string, fault: Fault): Promise<void>;
    remove(id: string): Promise<void>;
  };
  readonly random: Random;
}

type End = () => Promise<void>;
const nothing: End = () => Promise.resolve();

const isStore = (component: string): boolean => /^store(-\d+)?$/.test(component);

/** Undoes everything, also where some of it fails; rejects with the first failure. */
async function all(ends: readonly End[]): Promise<void> {
  const outcomes = await Promise.allSettled(ends.map((end) => end()));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason as Error;
}

/** The faults of a cluster whose components are apart. */
export function apartWorld(parts: ApartParts): ChaosWorld {
  const book = new ProcessFaultBook(parts.tell);

  /** Tells each of some processes; if one does not do as told, none is left with it. */
  const tellAll = async (components: readonly string[], fault: ProcessFault): Promise<End> => {
    const end: End = () => all(components.map((component) => () => book.remove(component, fault.id)));
    try {
      for (const component of components) await book.add(component, fault);
    } catch (error) {
      await end().catch(() => undefined);
      throw error;
    }
    return end;
  };

  const onComponents = async (id: string, fault: Fault, targets: readonly string[]): Promise<End> => {
    switch (fault.verb) {
      case 'pause':
        return parts.pause(targets);
      case 'kill':
        await parts.kill(targets);
        return nothing;
      case 'restart':
        await parts.restart(targets);
        return nothing;
      case 'clock-skew': {
        const deaf = targets.find((component) => !parts.isTold(component));
        if (deaf) throw new Error(`${deaf} goes by no clock that could be told to be off`);
        return tellAll(targets, { id, clockMs: fault.byMs ?? 0 });
      }
      default: {
        const other = targets.find((component) => !isStore(component));
        if (other) throw new Error(`${fault.verb} is for the store: ${other} keeps nothing on a disk`);
        const { delayMs, percent } = fault;
        return tellAll(targets, { id, disk: { kind: fault.verb as 'disk-full', ...(delayMs === undefined ? {} : { delayMs }), ...(percent === undefined ? {} : { percent }) } });
      }
    }
  };

  const onPairs = async (id: string, fault: Fault, known: Inventory): Promise<{ targets: readonly string[]; end: End }> => {
    const begun: (() => Promise<void>)[] = [];
    const ended: (() => Promise<void>)[] = [];
    const switches = (from: string, to: string): string[] => [from, to].map((node) => `container-runtime-${node}`).filter((name) => known.components.includes(name));
    const link = (from: string, to: string, what: ProcessFault['link']): void => {
      const one: ProcessFault = { id: `${id}/${from}/${to}`, link: what ?? { from, to } };
      begun.push(async () => void (await tellAll(switches(from, to), one)));
    };
    const over = (from: string, to: string): void => void ended.push(() => all(switches(from, to).map((component) => () => book.remove(component, `${id}/${from}/${to}`))));
    const links = {
      partition: (from: string, to: string) => link(from, to, { from, to }),
      heal: over,
      setLink: (from: string, to: string, change: object) => (Object.keys(change).length ? link(from, to, { from, to, fault: change }) : over(from, to)),
    };
    const requests = { add: (key: string, what: Fault) => void begun.push(() => parts.requests.add(key, what)), remove: (key: string) => void ended.push(() => parts.requests.remove(key)) };
    const struck = injectNetworkFault({ id, fault, inventory: known, links, requests });
    const end: End = () => {
      ended.length = 0;
      struck.end();
      return all(ended);
    };
    try {
      for (const begin of begun) await begin();
    } catch (error) {
      await end().catch(() => undefined);
      throw error;
    }
    return { targets: struck.targets, end };
  };

  const ofCluster = async (id: string, fault: Fault, { components }: Inventory): Promise<{ targets: readonly string[]; end: End }> => {
    if (fault.verb === 'clock-jump') {
      if ((fault.byMs ?? 0) < 0) throw new Error('the cluster\'s time never goes back: it can only jump ahead');
      await tellAll(components.filter((component) => parts.isTold(component)), { id, clockMs: fault.byMs ?? 0 });
      return { targets: ['clock'], end: nothing };
    }
    const name = fault.verb === 'nats-outage' ? 'nats' : 'cloud';
    if (!components.includes(name)) throw new Error(`no ${name} runs in this cluster`);
    return { targets: [name], end: await parts.pause([name]) };
  };

  return {
    name: parts.name,
    async inject(id, fault): Promise<Injected> {
      const refusal = cannot(fault.verb, parts.name);
      if (refusal) throw new Error(refusal);
      const known = await parts.inventory();
      const targets = targetsOf(fault, known, parts.random);
      switch (describeVerb(fault.verb).aim) {
        case 'components':
          return { targets, end: await onComponents(id, fault, targets) };
        case 'nodes':
        case 'zones':
          return { targets, end: await parts.pause(targets.flatMap((node) => parts.ofNode(node))) };
        case 'requests':
          await parts.requests.add(id, fault);
          return { targets: ['apiserver'], end: () => parts.requests.remove(id) };
        case 'pairs':
          return onPairs(id, fault, known);
        default:
          return ofCluster(id, fault, known);
      }
    },
  };
}
