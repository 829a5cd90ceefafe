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
