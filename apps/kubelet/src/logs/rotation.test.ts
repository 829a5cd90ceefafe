import { type LogSource, MemoryLogs, criLogLine } from '@orrery/cri';
import { expect, test } from 'vitest';
import { container, fixture } from '../testing.ts';
import { readLogs } from './read-logs.ts';

/** Logs that can be rotated, in memory: a name stands for a file that moves. */
class RotatingLogs implements LogSource {
  readonly memory = new MemoryLogs();
  readonly moved: string[] = [];
  private readonly files = new Map<string, string>();
  private count = 0;
  maxFiles = 0;

  private file(path: string): string {
    let file = this.files.get(path);
    if (file === undefined) this.files.set(path, (file = `/files/${this.count++}`));
    return file;
  }

  append(path: string, text: string): void {
    this.memory.append(this.file(path), criLogLine({ timeNs: 0n, stream: 'stdout', text }));
  }

  async extent(path: string) {
    const file = this.file(path);
    const extent = await this.memory.extent(file);
    return extent && { ...extent, file };
  }

  read(path: string, offset: number, length: number) {
    return this.memory.read(this.file(path), offset, length);
  }

  watch(path: string, changed: () => void) {
    return this.memory.watch(this.file(path), changed);
  }

  async remove(): Promise<void> {
    this.files.clear();
  }

  async rotate(path: string, { stamp, maxFiles }: { stamp: string; maxFiles: number }): Promise<void> {
    this.maxFiles = maxFiles;
    this.moved.push(`${path}.${stamp}`);
    this.files.set(`${path}.${stamp}`, this.file(path));
    this.files.delete(path);
  }

  async unrotate(path: string, stamp: string): Promise<void> {
    this.moved.pop();
    this.files.set(path, this.file(`${path}.${stamp}`));
  }

  async rotated(): Promise<string | undefined> {
    return this.moved.at(-1);
  }
}

test('whoever follows a log misses nothing of what was written before and after it was rotated', async () => {
  const logs = new RotatingLogs();
  const change = new Set<() => void>();
  let running = true;
  logs.append('/l', 'one');
  const context = { running: () => running, onChange: (changed: () => void) => (change.add(changed), () => void change.delete(changed)), signal: new AbortController().signal };
  let text = '';
  const reading = (async () => {
    for await (const part of readLogs(logs, '/l', { follow: true, timestamps: false, tailLines: undefined, sinceNs: undefined, limitBytes: undefined, stream: undefined, context })) text += part.toString();
  })();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  logs.append('/l', 'two, unread when the log goes');
  await logs.rotate('/l', { stamp: '1', maxFiles: 5 });
  logs.append('/l', 'three, much longer than all that was in the log before it was moved away');
  for (const wake of [...change]) wake();
  await settle();
  logs.append('/l', 'four');
  await settle();
  running = false;
  for (const wake of [...change]) wake();
  await reading;
  expect(text).toBe('one\ntwo, unread when the log goes\nthree, much longer than all that was in the log before it was moved away\nfour\n');
});

test('a log that has grown too large is moved aside, and the runtime told', async () => {
  const logs = new RotatingLogs();
  const f = fixture({ deps: { logs }, config: { containerLogMaxSize: '1Ki', containerLogMaxFiles: 3 } });
  await f.kubelet.start();
  await f.create('loud', { containers: [container('app')] });
  await f.create('quiet', { containers: [container('app')] });
  await f.clock.advance(1_000);
  const path = (name: string) => `/var/log/pods/default_${name}_${f.pod(name).metadata?.uid}/app/0.log`;
  logs.append(path('loud'), 'x'.repeat(2_000));
  logs.append(path('quiet'), 'x');
  await f.clock.advance(10_000);
  expect(logs.moved).toEqual([expect.stringMatching(/^\/var\/log\/pods\/default_loud_[^/]+\/app\/0\.log\.20260101-0000\d\d\.\d{3}$/)]);
  expect([logs.maxFiles, f.cri.calls.filter((call) => call === 'reopenContainerLog').length]).toEqual([3, 1]);
  await f.clock.advance(60_000);
  expect(logs.moved).toHaveLength(1);
  await f.kubelet.stop();
});
