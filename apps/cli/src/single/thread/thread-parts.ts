import type { ApiServer } from '@orrery/apiserver/component';
import type { ThreadAnswers } from '@orrery/client';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { ClusterOptions } from '../../cluster.ts';
import { atEndOfTurn } from '../../control/event-loop.ts';
import type { Parts } from '../parts.ts';
import { takeOver } from './conn-over-port.ts';
import { JointClock } from './joint-clock.ts';
import { PortLink } from './port-link.ts';
import type { PartsCalls, ThreadStart } from './protocol.ts';
import { RemoteCalls } from './remote-calls.ts';

export interface ThreadPartsDeps {
  readonly options: ClusterOptions;
  readonly server: () => Pick<ApiServer, 'serveThread'>;
  /** Of the API server, on the loopback. */
  readonly apiPort: () => number;
}

/** Parts of a cluster in a thread of their own. */
export interface ThreadParts extends Parts {
  readonly clock: JointClock;
  /** Moves the thread's clock ahead at once; this thread's is moved by who calls. Throws Error while time is being advanced. */
  jump(ms: number): void;
}

/** The program that this is a part of: its other threads run it too (`runThread`). */
const program = (): string => process.argv[1] ?? '';

export function createThreadParts({ options, server, apiPort }: ThreadPartsDeps): ThreadParts {
  const [api, calls, steps] = [new MessageChannel(), new MessageChannel(), new MessageChannel()];
  const { clock, jump: _, onChange: __, ...plain } = options;
  const workerData: ThreadStart = { options: plain, aheadMs: clock.read().aheadMs, api: api.port2, calls: calls.port2, steps: steps.port2 };
  const worker = new Worker(program(), { workerData, transferList: [api.port2, calls.port2, steps.port2] });
  const parts = new RemoteCalls<PartsCalls>(calls.port1);
  const link = new PortLink<string, ThreadAnswers>(api.port1);
  let found: Readonly<Record<string, string>> = {};
  let isStopped = false;
  // As for the main thread: what nobody caught ends the process, and says where it came from.
  worker.on('error', (error) => {
    throw error;
  });
  worker.on('exit', (code) => {
    if (!isStopped) throw new Error(`the thread of the cluster's components ended by itself (${code})`);
  });

  let tellStep: (text: string) => void = () => undefined;
  steps.port1.on('message', (text: string) => tellStep(text));
  const told = async <T>(step: (text: string) => void, signal: AbortSignal, run: () => Promise<T>): Promise<T> => {
    tellStep = step;
    const abort = (): void => parts.tell('abort');
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await run();
    } finally {
      signal.removeEventListener('abort', abort);
    }
  };

  const joint = new JointClock(clock, link, {
    read: () => parts.call('readClock'),
    setSpeed: (factor) => parts.call('setSpeed', factor),
    advance: (ms) => parts.call('advance', ms),
    jump: (ms) => parts.call('jump', ms),
    untilNext: () => parts.call('untilNext'),
    settle: () => parts.call('settle'),
  });

  return {
    net: { dial: async (to, { timeoutMs } = {}) => takeOver(await parts.call('dial', to, timeoutMs === undefined ? {} : { timeoutMs })) },
    links: {
      partition: (a, b, oneWay = false) => parts.tell('partition', a, b, oneWay),
      heal: (a, b, oneWay = false) => parts.tell('heal', a, b, oneWay),
      setLink: (a, b, fault) => parts.tell('setLink', a, b, fault),
      setNodeDown: (node, down) => parts.tell('setNodeDown', node, down),
    },
    nodes: {
      list: () => parts.call('listNodes'),
      add: (node) => parts.call('addNode', node),
      remove: (name) => parts.call('removeNode', name),
    },
    async start(step, signal) {
      server().serveThread(link, atEndOfTurn);
      found = await told(step, signal, () => parts.call('start', apiPort()));
    },
    untilReady: (step, signal) => told(step, signal, () => parts.call('untilReady')),
    async stop() {
      await parts.call('stop');
      isStopped = true;
      await worker.terminate();
      parts.close(new Error('the cluster has stopped'));
      api.port1.close();
      steps.port1.close();
    },
    found: () => found,
    async restart(name) {
      found = await parts.call('restart', name);
    },
    setCloudDown: (down) => parts.tell('setCloudDown', down),
    clock: joint,
    jump(ms) {
      joint.checkIdle();
      parts.tell('jump', ms);
    },
  };
}
