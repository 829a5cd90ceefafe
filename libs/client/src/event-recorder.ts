import { Events } from '@orrery/api';
import type { Event } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import { StatusError, isNotFound } from '@orrery/errors';
import { type Env, rfc3339 } from '@orrery/runtime';
import type { ApiClient } from './api-client.ts';
import { EventCorrelator, type EventLine } from './event-correlator.ts';
import { type EventJob, type EventPace, type EventQueue, createEventQueue } from './event-queue.ts';
import { apiVersionOf } from './keys.ts';

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
  /** Resolves when everything recorded was written or dropped; until then it is written as fast as it goes. */
  flush(): Promise<void>;
}

const maxBacklog = 1_000;

/** Where a recorder begins to count: what two of them tell of one object in the same millisecond needs names that differ. */
function firstNumber(who: string): number {
  let hash = 0;
  for (const letter of who) hash = (Math.imul(hash, 31) + letter.charCodeAt(0)) >>> 0;
  return hash % 1_000_000;
}

/** What the writes of one recorder have in common. */
interface Recorder {
  readonly api: ApiClient;
  readonly log: Env['log'];
  readonly queue: EventQueue;
  readonly component: string;
  readonly host: string | undefined;
  readonly source: { readonly component: string; readonly host?: string };
  /** A write is over, well or not. */
  over(): void;
}

/** One event on its way. Many wait long for their turn: the object of the API is made when it has come. */
class EventWrite implements EventJob {
  private readonly recorder: Recorder;
  private readonly resource: ResourceRef;
  private readonly input: EventInput;
  private readonly line: EventLine<EventWrite>;
  private readonly message: string;
  private readonly nowMs: number;
  private readonly number: number;
  private readonly name: string;
  private readonly namespace: string | undefined;
  private readonly uid: string | undefined;
  private readonly resourceVersion: string | undefined;
  /** Of the same line: a repetition finds the first written. */
  next: EventWrite | undefined;

  constructor(recorder: Recorder, { resource, object, input, line, message, nowMs, number }: { resource: ResourceRef; object: KubeObject; input: EventInput; line: EventLine<EventWrite>; message: string; nowMs: number; number: number }) {
    const { name = '', namespace, uid, resourceVersion } = object.metadata ?? {};
    this.recorder = recorder;
    this.resource = resource;
    this.input = input;
    this.line = line;
    this.message = message;
    this.nowMs = nowMs;
    this.number = number;
    this.name = name;
    this.namespace = namespace;
    this.uid = uid;
    this.resourceVersion = resourceVersion;
    this.next = undefined;
  }

  async run(): Promise<void> {
    const { line, recorder, input } = this;
    try {
      await this.write();
    } catch (error) {
      line.written = undefined;
      const expected = error instanceof StatusError && (error.code === 403 || error.code === 404);
      recorder.log[expected ? 'debug' : 'warn']('event was not written', { reason: input.reason, object: this.name, error: (error as Error).message });
    }
    this.end();
  }

  /** Over, or dropped: the next of its line may go. */
  end(): void {
    const { line, recorder, next } = this;
    recorder.over();
    if (!next) line.last = undefined;
    else if (!recorder.queue.add(next)) next.end();
  }

  private async write(): Promise<void> {
    const { line, recorder: { api } } = this;
    const known = line.written;
    if (!known) return this.create();
    const event = this.event();
    const count = known.count + 1;
    const patch = { count, lastTimestamp: event.lastTimestamp, message: event.message };
    try {
      await api.patch(Events, { namespace: this.namespace ?? 'default', name: known.name }, patch, { type: 'application/strategic-merge-patch+json' });
      known.count = count;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await this.create();
    }
  }

  private async create(): Promise<void> {
    const made = await this.recorder.api.create(Events, this.event());
    this.line.written = { name: made.metadata?.name ?? '', count: 1 };
  }

  private event(): Event {
    const { recorder, resource, name, namespace, uid, resourceVersion, nowMs, input: { type, reason, fieldPath } } = this;
    const timestamp = rfc3339(nowMs);
    const stamp = (BigInt(Math.floor(nowMs)) * 1_000_000n + BigInt(this.number)).toString(16);
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
      message: this.message.slice(0, 1024),
      source: recorder.source,
      firstTimestamp: timestamp,
      lastTimestamp: timestamp,
      count: 1,
      reportingComponent: recorder.component,
      reportingInstance: recorder.host ?? '',
    };
  }
}

/** Records core/v1 Events through the API, repeated ones by raising the count of the first. Recorders may share a queue. */
export function createEventRecorder(env: Pick<Env, 'clock' | 'log'>, options: { api: ApiClient; component: string; host?: string; queue?: EventQueue; pace?: EventPace }): EventRecorder {
  const { clock, log } = env;
  const { api, component, host, queue = createEventQueue(clock, options.pace) } = options;
  const correlator = new EventCorrelator<EventWrite>();
  let number = firstNumber(`${component}/${host ?? ''}`);
  let backlog = 0;
  let idle: (() => void)[] = [];
  const over = (): void => {
    backlog -= 1;
    if (backlog > 0 || idle.length === 0) return;
    const waiters = idle;
    idle = [];
    for (const wake of waiters) wake();
  };
  const recorder: Recorder = { api, log, queue, component, host, source: { component, ...(host ? { host } : {}) }, over };
  return {
    event(resource, object, input) {
      // As upstream's broadcaster: what it has no room for is not counted either.
      if (backlog >= maxBacklog || queue.isFull()) return;
      const { name = '', namespace = '', uid } = object.metadata ?? {};
      const nowMs = clock.now();
      // Not of the source: a recorder has one.
      const placed = correlator.place(uid ?? `${resource.kind}|${namespace}|${name}`, input, nowMs);
      if (!placed) return;
      const { line, message } = placed;
      number = (number + 1) % 1_000_000;
      const write = new EventWrite(recorder, { resource, object, input, line, message, nowMs, number });
      const before = line.last;
      line.last = write;
      backlog += 1;
      if (before) before.next = write;
      else queue.add(write);
    },
    async flush() {
      const calm = queue.hurry();
      if (backlog > 0) await new Promise<void>((resolve) => idle.push(resolve));
      calm();
    },
  };
}
