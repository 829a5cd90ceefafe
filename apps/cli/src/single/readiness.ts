import { Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { type ApiClient, createInformer } from '@orrery/client';
import { realClock, realRandom } from '@orrery/node-io';
import { silentLogger } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { decode, encode } from 'dns-packet';

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Resolves when `count` nodes are Ready. */
export async function nodesReady(input: { api: ApiClient; count: number; signal: AbortSignal }): Promise<void> {
  const { api, count, signal } = input;
  const informer = createInformer(api, Nodes, { env: { clock: realClock, random: realRandom, log: silentLogger } });
  const ready = new Promise<void>((resolve) => {
    // Kept up to date: to count anew with each change of each of thousands of nodes would take longer than their start.
    const readyNodes = new Set<string>();
    const check = (): void => {
      if (readyNodes.size >= count) resolve();
    };
    const observe = (node: Node): void => {
      const name = node.metadata?.name ?? '';
      if (isReady(node)) readyNodes.add(name);
      else readyNodes.delete(name);
      check();
    };
    informer.addHandlers({ add: observe, update: observe, delete: (node) => void readyNodes.delete(node.metadata?.name ?? '') });
    informer.start();
    informer.whenSynced(signal).then(check, () => undefined);
  });
  try {
    await Promise.race([ready, whenAborted(signal)]);
  } finally {
    informer.stop();
  }
}

/** Resolves when the cluster's DNS service answers for the API server's name, asked inside the emulated network. */
export async function dnsAnswers(input: { net: NetStack; server: string; signal: AbortSignal }): Promise<void> {
  const { net, server, signal } = input;
  const question = encode({ type: 'query', id: 1, questions: [{ name: 'kubernetes.default.svc.cluster.local', type: 'A' }] });
  let answered: () => void;
  const answer = new Promise<void>((resolve) => (answered = resolve));
  const socket = net.udp({ ip: '', port: 0 }, (bytes) => {
    if ((decode(Buffer.from(bytes)).answers ?? []).length > 0) answered();
  });
  const ask = (): void => socket.send(question, { ip: server, port: 53 });
  const timer = realClock.every(5, ask);
  ask();
  try {
    await Promise.race([answer, whenAborted(signal)]);
  } finally {
    timer.cancel();
    socket.close();
  }
}
