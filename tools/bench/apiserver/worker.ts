/** A process of its own that loads the server: `fork` it with the path of a kubeconfig, send tasks, receive outcomes. */
import { loadKubeconfig } from '@orrery/node-io';
import { BenchClient, type Call } from './h2.ts';
import { configMapBody, configMapsPath, podBody, podsPath } from './objects.ts';
import type { Outcome, Task } from './tasks.ts';
import { Watches } from './watches.ts';

const access = loadKubeconfig(process.argv[2] ?? '');
const clients: BenchClient[] = [];
const watches = new Watches(access);

function client(i: number): BenchClient {
  return (clients[i] ??= new BenchClient(access));
}

/** Connections that carry this much in flight. */
function connections(inFlight: number): number {
  return Math.max(1, Math.ceil(inFlight / 32));
}

interface Loop {
  readonly inFlight: number;
  readonly seconds: number;
  readonly count?: number;
  /** The next request; they are numbered from 0. */
  next(i: number): Call;
}

/** Keeps `inFlight` requests under way until the time is over or all are made. */
async function loop({ inFlight, seconds, count = Number.POSITIVE_INFINITY, next }: Loop): Promise<Outcome> {
  const began = performance.now();
  const until = began + seconds * 1000;
  const times: number[] = [];
  let made = 0;
  let bytes = 0;
  const lane = async (i: number): Promise<void> => {
    const own = client(i % connections(inFlight));
    while (made < count && performance.now() < until) {
      const call = next(made++);
      const from = performance.now();
      bytes += (await own.expect(call)).length;
      times.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, i) => lane(i)));
  return { done: times.length, seconds: (performance.now() - began) / 1000, bytes, times, finishedMs: Date.now() };
}

/** Changes at a steady rate, whether or not the earlier ones are answered; each carries its time. */
async function steadily(task: { readonly count: number; readonly perSecond: number }, next: (i: number) => Call): Promise<Outcome> {
  const began = performance.now();
  const pending: Promise<unknown>[] = [];
  for (let i = 0; i < task.count; i++) {
    const wait = began + (i * 1000) / task.perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    pending.push(client(0).expect(next(i)));
  }
  await Promise.all(pending);
  return { done: task.count, seconds: (performance.now() - began) / 1000, bytes: 0, times: [], finishedMs: Date.now() };
}

const changed = 50;

function change(task: Extract<Task, { op: 'change' }>): Promise<Outcome> {
  const { namespace, count, inFlight, perSecond } = task;
  const next = (i: number): Call => {
    const name = `changed-${i % changed}`;
    return { method: 'PUT', path: `${configMapsPath(namespace)}/${name}`, body: configMapBody(namespace, name, { i: String(i), t: String(Date.now()) }) };
  };
  return perSecond > 0 ? steadily(task, next) : loop({ inFlight, seconds: 120, count, next });
}

function run(task: Task): Promise<Outcome> {
  switch (task.op) {
    case 'create':
      return loop({ ...task, next: (i) => ({ method: 'POST', path: podsPath(task.namespace), body: podBody(task.namespace, `${task.prefix}-${i}`) }) });
    case 'get':
      return loop({ ...task, next: () => ({ path: `${podsPath(task.namespace)}/${task.name}` }) });
    case 'list':
      return loop({ inFlight: 1, seconds: 120, count: task.times, next: () => ({ path: podsPath(task.namespace), accept: task.accept }) });
    case 'apply': {
      const contentType = 'application/apply-patch+yaml';
      const next = (i: number): Call => {
        const name = `${task.prefix}-${i % task.inFlight}`;
        return { method: 'PATCH', path: `${configMapsPath(task.namespace)}/${name}?fieldManager=bench&force=true`, body: configMapBody(task.namespace, name, { i: String(i) }), contentType };
      };
      return loop({ ...task, next });
    }
    case 'watch':
      return watches.open(task);
    case 'watched':
      return watches.wait(task);
    case 'unwatch':
      return watches.close();
    case 'change':
      return change(task);
  }
}

process.on('message', (task: Task) => {
  run(task).then(
    (outcome) => process.send?.({ outcome }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
