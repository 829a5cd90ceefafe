import type { ClusterAccess } from '@orrery/node-io';
import { BenchClient } from './h2.ts';
import { configMapsPath } from './objects.ts';
import type { Outcome } from './tasks.ts';

const newline = 10;
const marker = Buffer.from('"t":"');
/** Digits of a time in milliseconds, until the year 2286. */
const digits = 13;
/** Of one watch in so many every lag is read; of the others events are only counted. */
const sampleEvery = 10;

/** The open watches of one worker and what they have received. */
export class Watches {
  private readonly access: ClusterAccess;
  private clients: BenchClient[] = [];
  private counts = new Int32Array(0);
  private total = 0;
  private bytes = 0;
  private lags: number[] = [];
  private waiting: { readonly events: number; readonly met: () => void } | undefined;
  private behind = 0;

  constructor(access: ClusterAccess) {
    this.access = access;
  }

  async open(task: { readonly namespace: string; readonly watchers: number; readonly perConnection: number }): Promise<Outcome> {
    const began = performance.now();
    this.counts = new Int32Array(task.watchers);
    const path = `${configMapsPath(task.namespace)}?watch=1&resourceVersion=${await this.revision(task.namespace)}`;
    const opened: Promise<unknown>[] = [];
    for (let i = 0; i < task.watchers; i++) {
      const at = Math.floor(i / task.perConnection);
      const client = (this.clients[at] ??= new BenchClient(this.access));
      opened.push(client.stream({ path }, (chunk) => this.receive(i, chunk)));
    }
    await Promise.all(opened);
    return this.outcome(began);
  }

  private async revision(namespace: string): Promise<string> {
    const client = (this.clients[0] ??= new BenchClient(this.access));
    const list = JSON.parse((await client.expect({ path: `${configMapsPath(namespace)}?limit=1` })).toString('utf8')) as { metadata: { resourceVersion: string } };
    return list.metadata.resourceVersion;
  }

  private receive(i: number, chunk: Buffer): void {
    let lines = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) lines += 1;
    this.total += lines;
    this.bytes += chunk.length;
    if (i % sampleEvery === 0) this.readLags(chunk);
    const before = this.counts[i] as number;
    this.counts[i] = before + lines;
    const { waiting } = this;
    if (waiting && before < waiting.events && before + lines >= waiting.events && --this.behind === 0) waiting.met();
  }

  private readLags(chunk: Buffer): void {
    const now = Date.now();
    for (let at = chunk.indexOf(marker); at >= 0; at = chunk.indexOf(marker, at + 1)) {
      const from = at + marker.length;
      if (from + digits <= chunk.length) this.lags.push(now - Number(chunk.toString('latin1', from, from + digits)));
    }
  }

  /** Resolves when every watch has had `events` since it was opened or last waited for. */
  async wait(task: { readonly events: number; readonly timeoutSeconds: number }): Promise<Outcome> {
    const began = performance.now();
    this.behind = this.counts.reduce((sum, count) => sum + (count < task.events ? 1 : 0), 0);
    if (this.behind > 0) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`${this.behind} of ${this.counts.length} watches had less than ${task.events} events after ${task.timeoutSeconds} s`)), task.timeoutSeconds * 1000);
        this.waiting = { events: task.events, met: () => (clearTimeout(timer), resolve()) };
      });
    }
    const outcome = this.outcome(began);
    this.waiting = undefined;
    this.counts.fill(0);
    this.total = 0;
    this.bytes = 0;
    this.lags = [];
    return outcome;
  }

  async close(): Promise<Outcome> {
    for (const client of this.clients) client.close();
    this.clients = [];
    return this.outcome(performance.now());
  }

  private outcome(began: number): Outcome {
    return { done: this.total, seconds: (performance.now() - began) / 1000, bytes: this.bytes, times: this.lags, finishedMs: Date.now() };
  }
}
