import { request } from 'node:https';
import { dnsUpstream, realClock } from '@orrery/node-io';
import { decode, encode } from 'dns-packet';

/** Resolves when the DNS server on this machine answers for the API server's name. */
export async function hostDnsAnswers(input: { host: string; port: number; signal: AbortSignal }): Promise<void> {
  const { host, port, signal } = input;
  const server = dnsUpstream([`${host}:${port}`], 500);
  const question = encode({ type: 'query', id: 1, questions: [{ name: 'kubernetes.default.svc.cluster.local', type: 'A' }] });
  for (;;) {
    const reply = await server.query(question).catch(() => undefined);
    if (reply && (decode(Buffer.from(reply)).answers ?? []).length > 0) return;
    await realClock.sleep(20, signal);
  }
}

function isReady(server: string, ca: string): Promise<boolean> {
  return new Promise((resolve) => {
    const call = request(`${server}/readyz`, { ca, agent: false, timeout: 5_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', () => resolve(false));
    call.end();
  });
}

/** Resolves when the API server (or one behind the load balancer) says it is ready, which it is not without its store. */
export async function apiAnswers(input: { server: string; ca: string; signal: AbortSignal }): Promise<void> {
  while (!(await isReady(input.server, input.ca))) await realClock.sleep(100, input.signal);
}
