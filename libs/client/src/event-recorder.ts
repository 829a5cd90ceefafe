import { Events } from '@orrery/api';
import type { Event } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError, isNotFound } from '@orrery/errors';
import { type Env, rfc3339 } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';
import { type EventPace, type EventQueue, createEventQueue } from './event-queue.ts';
import { apiVersionOf } from './keys.ts';
import { Recent } from './recent.ts';

export interface EventInput {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  /** `spec.containers{name}` of a pod's container. */
  readonly fieldPath?: string;
}

export interface EventRecorder {
  /** Records an event about an object. Never fails and never waits: what cannot be written is dropped. */
  event(resource: ResourceRef, object: KubeObject, input: EventInput): void;
  /** Resolves when everything recorded so far was written or dropped; until then it is written as fast as it goes. */
  flush(): Promise<void>;
}

interface Seen {
  count: number;
  firstTimestamp: string;
  name: string;
  resourceVersion: string;
}

interface Aggregate {
  /** Of most there is one, and it is not yet a set. */
  messages: string | Set<string>;
  lastMs: number;
}

interface Bucket {
  tokens: number;
  filledMs: number;
}

const maxSimilar = 10;
const similarWithinMs = 600_000;
const burst = 25;
const refillMs = 300_000;
const maxBacklog = 1_000;
const maxRemembered = 4_096;

/** What becomes of events of one source before they are written: client-go's spam filter, aggregator and counter. */
class Correlator {
  private readonly buckets = new Recent<Bucket>(maxRemembered);
  private readonly aggregates = new Recent<Aggregate>(maxRemembered);
  readonly seen = new Recent<Seen>(maxRemembered);

  /** 25 events at once about one object, then one every five minutes. */
  allows(object: string, nowMs: number): boolean {
    const bucket = this.buckets.get(object) ?? { tokens: burst, filledMs: nowMs };
    const tokens = Math.min(burst, bucket.tokens + (nowMs - bucket.filledMs) / refillMs);
    this.buckets.set(object, { tokens: tokens >= 1 ? tokens - 1 : tokens, filledMs: nowMs });
    return tokens >= 1;
  }

  /** More than ten different messages of one reason within ten minutes become one event. */
  message(group: string, message: string, nowMs: number): { message: string; key: string } {
    let found = this.aggregates.get(group);
    if (!found || nowMs - found.lastMs > similarWithinMs) found = { messages: message, lastMs: nowMs };
    this.aggregates.set(group, found);
    found.lastMs = nowMs;
    if (found.messages === message) return { message, key: `${group}|${message}` };
    if (typeof found.messages === 'string') found.messages = new Set([found.messages]);
    found.messages.add(message);
    if (found.messages.size < maxSimilar) return { message, key: `${group}|${message}` };
    for (const first of found.messages) {
      found.messages.delete(first);
      break;
    }
    return { message: `(combined from similar events): ${message}`, key: group };
  }

  forget(key: string): void {
    this.seen.delete(key);
  }
}

/** Where a recorder begins to count: what two of them tell of one object in the same millisecond needs names that differ. */
function firstNumber(who: string): number {
  let hash = 0;
  for (const letter of who) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return hash % 1_000_000;
}

/** Records core/v1 Events through the API, repeated ones by raising the count of the first. Recorders may share a queue. */
export function createEventRecorder(env: Pick<Env, 'clock' | 'log'>, options: { api: ApiClient; component: string; host?: string; queue?: EventQueue; pace?: EventPace }): EventRecorder {
  const { clock, log } = env;
  const { api, component, host, queue = createEventQueue(clock, options.pace) } = options;
  const correlator = new Correlator();
  /** Writes of one event happen one after the other, so that a repetition finds the first. */
  const chains = new Map<string, Promise<void>>();
  let sequence = firstNumber(`${component}/${host ?? ''}`);
  let backlog = 0;
  const source = { component, ...(host ? { host } : {}) };

  const create = async (event: Event, key: string): Promise<void> => {
    const made = await api.create(Events, event);
    const { name = '', resourceVersion = '' } = made.metadata ?? {};
    correlator.seen.set(key, { count: event.count ?? 1, firstTimestamp: event.firstTimestamp ?? '', name, resourceVersion });
  };
  const write = async (event: Event, key: string): Promise<void> => {
    const known = correlator.seen.get(key);
    if (!known) return create(event, key);
    const count = known.count + 1;
    const patch = { count, lastTimestamp: event.lastTimestamp, message: event.message };
    const namespace = event.metadata?.namespace ?? '';
    try {
      await api.patch(Events, { namespace, name: known.name }, patch, { type: 'application/strategic-merge-patch+json' });
      known.count = count;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await create(event, key);
    }
  };
  const record = async (make: () => Event, key: string, before: Promise<void> | undefined): Promise<void> => {
    try {
      if (before) await before;
      await queue.run(() => write(make(), key));
    } catch (error) {
      correlator.forget(key);
      const expected = error instanceof StatusError && (error.code === 403 || error.code === 404);
      const { reason, involvedObject } = make();
      log[expected ? 'debug' : 'warn']('event was not written', { reason, object: involvedObject?.name, error: (error as Error).message });
    }
    backlog--;
  };
  return {
    event(resource, object, { type, reason, message, fieldPath }) {
      // As upstream's broadcaster: what it has no room for is not counted either.
      if (backlog >= maxBacklog || queue.isFull()) return;
      const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
      const nowMs = clock.now();
      // Not of the source: a recorder has one.
      const about = `${resource.kind}|${namespace ?? ''}|${name}|${uid ?? ''}`;
      if (!correlator.allows(about, nowMs)) return;
      const shown = correlator.message(`${about}|${fieldPath ?? ''}|${type}|${reason}`, message, nowMs);
      const number = sequence++ % 1_000_000;
      // Many wait long for their turn: they are made when it has come.
      const make = (): Event => {
        const timestamp = rfc3339(nowMs);
        const stamp = (BigInt(Math.floor(nowMs)) * 1_000_000n + BigInt(number)).toString(16);
        return {
          metadata: { name: `${name}.${stamp}`, namespace: namespace ?? 'default' },
          involvedObject: {
            kind: resource.kind,
            apiVersion: apiVersionOf(resource),
            name,
            ...(namespace ? { namespace } : {}),
            ...(uid ? { uid } : {}),
            ...(resourceVersion ? { resourceVersion } : {}),
            ...(fieldPath ? { fieldPath } : {}),
          },
          type,
          reason,
          message: shown.message.slice(0, 1024),
          source,
          firstTimestamp: timestamp,
          lastTimestamp: timestamp,
          count: 1,
          reportingComponent: component,
          reportingInstance: host ?? '',
        };
      };
      backlog++;
      const job = record(make, shown.key, chains.get(shown.key));
      chains.set(shown.key, job);
      void job.then(() => {
        if (chains.get(shown.key) === job) chains.delete(shown.key);
      });
    },
    // The last write of a chain comes after all before it.
    async flush() {
      const calm = queue.hurry();
      await Promise.all(chains.values());
      calm();
    },
  };
}
