import { ThreadApi, type ThreadAnswers } from '@orrery/client';
import { clusterServerName, ensurePki, realClock, returnMemoryWhenQuiet } from '@orrery/node-io';
import { AdjustableClock } from '@orrery/runtime';
import { workerData } from 'node:worker_threads';
import { createComponentLogs } from '../../component-logs.ts';
import { atEndOfTurn, eventLoopSettled } from '../../control/event-loop.ts';
import { logLevelFor } from '../../extra-config.ts';
import { createParts } from '../parts.ts';
import { handOver } from './conn-over-port.ts';
import type { PartsCalls, ThreadStart } from './protocol.ts';
import { Handed, serveCalls } from './remote-calls.ts';
import { PortLink } from './port-link.ts';

/** What a thread does that `createThreadParts` has started: the parts of a cluster, until it is stopped. */
export function runThread(): void {
  const { options, aheadMs, api: apiPort, calls, steps } = workerData as ThreadStart;
  const clock = new AdjustableClock(realClock, { aheadMs });
  const logs = createComponentLogs(options.dir.logs, { levelOf: (component) => logLevelFor(component, options.extra), clock });
  const over = new AbortController();
  const link = new PortLink<ThreadAnswers, string>(apiPort);
  const api = new ThreadApi(link, atEndOfTurn);
  let serverPort = 0;
  const parts = createParts({
    options: { ...options, clock },
    pki: ensurePki(options.dir.pki, { dnsNames: [clusterServerName] }),
    env: (name) => logs.env(name),
    client: (user) => api.client(user),
    apiPort: () => serverPort,
  });
  const step = (text: string): void => steps.postMessage(text);
  const served: PartsCalls = {
    async start(port) {
      serverPort = port;
      await parts.start(step, over.signal);
      return parts.found();
    },
    async untilReady() {
      await parts.untilReady(step, over.signal);
      returnMemoryWhenQuiet();
    },
    abort: () => over.abort(new Error('stopped')),
    async stop() {
      await parts.stop();
      await logs.close();
    },
    async restart(component) {
      await parts.restart(component);
      return parts.found();
    },
    setCloudDown: (down) => parts.setCloudDown(down),
    async dial(to, how) {
      const conn = handOver(await parts.net.dial(to, how));
      return new Handed(conn, [conn.port]);
    },
    partition: (...args) => parts.links.partition(...args),
    heal: (...args) => parts.links.heal(...args),
    setLink: (...args) => parts.links.setLink(...args),
    setNodeDown: (...args) => parts.links.setNodeDown(...args),
    listNodes: async () => parts.nodes.list(),
    addNode: (node) => parts.nodes.add(node),
    removeNode: (name) => parts.nodes.remove(name),
    readClock: () => clock.read(),
    setSpeed: (factor) => clock.setSpeed(factor),
    advance: (ms) => clock.advance(ms, { settle: eventLoopSettled }),
    jump: (ms) => clock.jump(ms),
    untilNext: () => clock.untilNext(),
    async settle() {
      await eventLoopSettled();
      return { sent: link.sent, received: link.received };
    },
  };
  serveCalls(calls, served);
}
