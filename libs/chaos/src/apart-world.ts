import type { Random } from '@orrery/runtime';
import type { LinkFault } from '@orrery/vnet';
import type { Fault } from './fault.ts';
import { injectNetworkFault } from './network.ts';
import { type ProcessFault, type ProcessFaultBook } from './process-faults.ts';
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
  /** Strikes what passes between two nodes: cuts it (no `fault`), or does this to it. Rejects in words where that cannot be. */
  strikeLink(link: LinkStrike): Promise<() => Promise<void>>;
  /** What processes are told is wrong with them. */
  readonly book: ProcessFaultBook;
  /** False of programs that listen to nothing of the kind. */
  isTold(component: string): boolean;
  readonly requests: {
    add(id: string, fault: Fault): Promise<void>;
    remove(id: string): Promise<void>;
  };
  readonly random: Random;
}

/** A fault of the link between two nodes. */
export interface LinkStrike {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly oneWay: boolean;
  readonly fault?: LinkFault;
}

type End = () => Promise<void>;
const nothing: End = () => Promise.resolve();

const isStore = (component: string): boolean => /^store(-\d+)?$/.test(component);

/** Undoes everything, also where some of it fails; rejects with the first failure. */
async function all(ends: readonly End[]): Promise<void> {
  const outcomes = await Promise.allSettled(ends.map((end) => end()));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason as Error;
}

/** Tells each of some processes; if one does not do as told, none is left with it. Resolves to how to take it back. */
export async function tellEach(book: ProcessFaultBook, components: readonly string[], fault: ProcessFault): Promise<() => Promise<void>> {
  const end: End = () => all(components.map((component) => () => book.remove(component, fault.id)));
  try {
    for (const component of components) await book.add(component, fault);
  } catch (error) {
    await end().catch(() => undefined);
    throw error;
  }
  return end;
}

/** The faults of a cluster whose components are apart. */
export function apartWorld(parts: ApartParts): ChaosWorld {
  const { book } = parts;

  const tellAll = (components: readonly string[], fault: ProcessFault): Promise<End> => tellEach(book, components, fault);

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

  /** What happens between nodes is done here in their order, what happens to requests by the API servers. */
  const onPairs = async (id: string, fault: Fault, known: Inventory): Promise<{ targets: readonly string[]; end: End }> => {
    const begun: (() => Promise<End>)[] = [];
    const link = (from: string, to: string, what: LinkFault | undefined): void => void begun.push(() => parts.strikeLink({ id: `${id}/${from}/${to}`, from, to, oneWay: fault.oneWay === true, ...(what ? { fault: what } : {}) }));
    // What was begun gives its own end: nothing is left to these two.
    const over = (): void => undefined;
    const links = { partition: (from: string, to: string) => link(from, to, undefined), heal: over, setLink: (from: string, to: string, what: LinkFault) => link(from, to, what) };
    const requests = {
      add: (key: string, what: Fault): void =>
        void begun.push(async () => {
          await parts.requests.add(key, what);
          return () => parts.requests.remove(key);
        }),
      remove: over,
    };
    const { targets } = injectNetworkFault({ id, fault, inventory: known, links, requests });
    const ends: End[] = [];
    try {
      for (const begin of begun) ends.push(await begin());
    } catch (error) {
      await all(ends).catch(() => undefined);
      throw error;
    }
    return { targets, end: () => all(ends) };
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
