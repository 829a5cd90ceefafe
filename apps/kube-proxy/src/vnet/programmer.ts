import type { ServiceRule, ServiceUpdate } from '@orrery/vnet';
import type { NodePortListeners, ProxyTarget } from '../component.ts';
import type { ProxyMetrics } from '../metrics.ts';
import { type ProxyNode, route } from '../model/endpoints.ts';
import type { ServiceTracker } from '../tracker.ts';
import { type ServiceModel, healthPorts, serviceModel, serviceRules } from './rules.ts';

interface Target {
  readonly target: ProxyTarget;
  /** It has none of our rules, or nobody knows which. */
  full: boolean;
  /** Its own rules must be made anew: the node's zone changed. */
  own: boolean;
  /** What was last said of its health-check ports. */
  health: string;
}

/** Keeps the rules of every service, and the switches of some nodes programmed with them. */
export interface SwitchProgrammer {
  add(target: ProxyTarget): void;
  remove(nodeName: string): void;
  /** Makes the rules of one node anew. False when it is none of ours. */
  renew(nodeName: string): boolean;
  renewAll(): void;
  needsFull(): boolean;
  /** Programs what changed. Rejects when a switch cannot be reached; that switch is told everything the next time. */
  sync(): Promise<void>;
}

interface Options {
  readonly tracker: ServiceTracker;
  readonly metrics: ProxyMetrics;
  readonly zoneOf: (node: string) => string | undefined;
  readonly nodePorts?: NodePortListeners;
  /** Rules of every switch that come from no Service, by a name that none has. */
  readonly fixed?: ReadonlyMap<string, readonly ServiceRule[]>;
}

const noNode: ProxyNode = { name: '' };
const nothing: readonly ServiceRule[] = [];

export function createSwitchProgrammer({ tracker, metrics, zoneOf, nodePorts, fixed = new Map() }: Options): SwitchProgrammer {
  const targets = new Map<string, Target>();
  const models = new Map<string, ServiceModel>();
  /** Rules that are the same on every switch; services that depend on the node are in `perNode` instead. */
  const shared = new Map<string, readonly ServiceRule[]>();
  const perNode = new Map<string, ServiceModel>();

  /** Works out changed services; returns those whose rules depend on the node, or did before. */
  const refresh = (changed: Iterable<string>): Set<string> => {
    const own = new Set<string>();
    let portsChanged = false;
    for (const key of changed) {
      const found = tracker.get(key);
      const before = models.get(key);
      if (before?.perNode) own.add(key);
      const model = found && serviceModel(found.service, found.slices);
      portsChanged ||= hasNodePort(before) || hasNodePort(model);
      perNode.delete(key);
      shared.delete(key);
      if (!model?.ports.length) {
        models.delete(key);
        continue;
      }
      models.set(key, model);
      if (model.perNode) own.add(key);
      if (model.perNode) perNode.set(key, model);
      else shared.set(key, serviceRules(model, noNode));
    }
    if (portsChanged) nodePorts?.set([...models.values()].flatMap(wantedNodePorts));
    return own;
  };

  const ownUpdate = (node: ProxyNode, keys: Iterable<string>, full: boolean): ServiceUpdate => {
    const rules = (key: string): readonly ServiceRule[] => {
      const model = perNode.get(key);
      return model ? serviceRules(model, node) : nothing;
    };
    const services = new Map([...keys].map((key) => [key, rules(key)]));
    return { layer: 'own', full, services: full ? new Map([...fixed, ...services]) : services };
  };

  const program = async (state: Target, changes: { shared: ServiceUpdate; own: ReadonlySet<string> }, everything: () => ServiceUpdate): Promise<void> => {
    const { nodeName, control } = state.target;
    const zone = zoneOf(nodeName);
    const node: ProxyNode = { name: nodeName, ...(zone ? { zone } : {}) };
    const full = state.full;
    const own = full || state.own;
    try {
      const updates: ServiceUpdate[] = [];
      if (full) updates.push(everything());
      else if (changes.shared.services.size) updates.push(changes.shared);
      if (own || changes.own.size) updates.push(ownUpdate(node, own ? perNode.keys() : changes.own, own));
      const health = [...perNode.values()].flatMap((model) => healthPorts(model, node));
      const told = JSON.stringify(health);
      const healthChanged = full || told !== state.health;
      state.full = false;
      state.own = false;
      await Promise.all([updates.length ? control.updateServices(updates) : undefined, healthChanged ? control.setHealthPorts(health) : undefined]);
      state.health = told;
    } catch (error) {
      state.full = true;
      throw error;
    }
  };

  /** Counted for one node only: a process that serves many has no figure of its own. */
  const countNoLocal = (): void => {
    const [only, ...others] = [...targets.keys()].filter((name) => name !== '');
    if (only === undefined || others.length) return;
    const routings = [...perNode.values()].flatMap(({ ports }) => ports.map(({ port, endpoints }) => route(port, endpoints, { name: only })));
    const without = routings.filter(({ hasAny, local }) => hasAny && !local.length);
    metrics.noLocalEndpoints('internal', without.filter(({ port }) => port.internalLocal).length);
    metrics.noLocalEndpoints('external', without.filter(({ port }) => port.externalLocal).length);
  };

  return {
    add: (target) => void targets.set(target.nodeName, { target, full: true, own: true, health: '[]' }),
    remove: (nodeName) => void targets.delete(nodeName),
    renew(nodeName) {
      const state = targets.get(nodeName);
      if (state) state.own = true;
      return state !== undefined;
    },
    renewAll() {
      for (const state of targets.values()) state.full = true;
    },
    needsFull: () => [...targets.values()].some(({ full }) => full),
    async sync() {
      const changed = tracker.take();
      const own = refresh(changed);
      const changes = { shared: { layer: 'shared', full: false, services: new Map([...changed].map((key) => [key, shared.get(key) ?? nothing])) } as const, own };
      // One object for all switches, so that those of one process share what it makes.
      let all: ServiceUpdate | undefined;
      const everything = (): ServiceUpdate => (all ??= { layer: 'shared', full: true, services: new Map(shared) });
      const results = await Promise.allSettled([...targets.values()].map((state) => program(state, changes, everything)));
      countNoLocal();
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
    },
  };
}

function hasNodePort(model: ServiceModel | undefined): boolean {
  return !!model?.ports.some(({ port }) => port.nodePort);
}

/** For this machine, which chooses where to open them. */
function wantedNodePorts({ ports }: ServiceModel): { port: number; protocol: 'TCP' | 'UDP'; family: 4 | 6 }[] {
  return ports.flatMap(({ port: { nodePort, protocol, family } }) => (nodePort && protocol !== 'SCTP' ? [{ port: nodePort, protocol, family }] : []));
}
