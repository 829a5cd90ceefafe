import { Services } from '@orrery/api';
import type { Service } from '@orrery/api/types';
import { type EventRecorder, createEventRecorder } from '@orrery/client';
import type { PluginContext } from '../pipeline/index.ts';
import { held } from '../registry/services/held.ts';
import { ownerOfPort, parsePortRange, portKey, portPrefix } from '../registry/services/node-ports.ts';
import type { StoredValue } from '../storage/etcd-store.ts';

type Context = Pick<PluginContext, 'api' | 'config' | 'env' | 'read' | 'storage'>;

/** A port that nobody has goes when it was found so this often: its Service may be about to be written. */
const roundsBeforeRelease = 3;
const pageSize = 1000;

const byName = (a: Service, b: Service): number => {
  const [left, right] = [a, b].map(({ metadata }) => `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`);
  return (left ?? '') < (right ?? '') ? -1 : 1;
};

/** Keeps the records of node ports what the Services say. */
export class PortRepair {
  private readonly context: Context;
  private readonly events: EventRecorder;
  private leaks = new Map<number, number>();

  constructor(context: Context) {
    this.context = context;
    this.events = createEventRecorder(context.env, { api: context.api, component: 'portallocator-repair-controller' });
  }

  /** One round. What was found is told by `portallocator_…` events on the Services. */
  async run(): Promise<void> {
    const stored = await this.stored();
    const { config, read, storage } = this.context;
    const range = parsePortRange(config.serviceNodePortRange);
    const seen = new Set<number>();
    for (const service of [...read.list(Services)].sort(byName)) {
      for (const port of held(service).ports) {
        if (seen.has(port)) this.tell(service, 'PortAlreadyAllocated', `Port ${port} was assigned to multiple services; please recreate service`);
        else if (port < range.from || port > range.to) this.tell(service, 'PortOutOfRange', `Port ${port} is not within the port range ${range.from}-${range.to}; please recreate service`);
        else if (!stored.has(port)) {
          const { committed } = await storage.store.commit([{ key: portKey(storage.root, port), expect: 0, put: ownerOfPort(service) }]);
          if (committed) this.tell(service, 'PortNotAllocated', `Port ${port} is not allocated; repairing`);
        }
        seen.add(port);
      }
    }
    await this.release([...stored].filter(([port]) => !seen.has(port)));
  }

  private async stored(): Promise<Map<number, StoredValue>> {
    const { store, root } = this.context.storage;
    const prefix = portPrefix(root);
    const found = new Map<number, StoredValue>();
    let after: string | undefined;
    for (;;) {
      const { values, more } = await store.range(prefix, { limit: pageSize, ...(after === undefined ? {} : { after }) });
      for (const value of values) found.set(Number(value.key.slice(prefix.length)), value);
      after = values.at(-1)?.key;
      if (!more || after === undefined) return found;
    }
  }

  private async release(unused: readonly (readonly [number, StoredValue])[]): Promise<void> {
    const leaks = new Map<number, number>();
    for (const [port, { key, revision }] of unused) {
      const rounds = (this.leaks.get(port) ?? 0) + 1;
      if (rounds > roundsBeforeRelease) await this.context.storage.store.commit([{ key, expect: revision, delete: true }]);
      else leaks.set(port, rounds);
    }
    this.leaks = leaks;
  }

  private tell(service: Service, reason: string, message: string): void {
    this.events.event(Services, service, { type: 'Warning', reason, message });
  }
}
