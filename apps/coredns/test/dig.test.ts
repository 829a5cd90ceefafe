import { spawn, spawnSync } from 'node:child_process';
import { hostDns } from '@orrery/node-io';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAnswerer } from '../src/server/answerer.ts';
import { instanceOf, testEnv } from '../src/testing/ask.ts';
import { specifiedCluster, specifiedCorefile, specifiedRows } from '../src/testing/specification.ts';

const hasDig = spawnSync('dig', ['-v']).error === undefined;

function dig(args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('dig', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.on('error', reject);
    child.on('close', () => resolve(out));
    // It may end before it has read all: what it printed says why.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** What dig shows of one reply, in the words of the specification's table. */
function read(text: string): string {
  const status = /status: (\w+)/.exec(text)?.[1] ?? 'no reply';
  if (status !== 'NOERROR') return status;
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
  const data = lines.map((line) => line.split(/\s+/).slice(4).join(' ').replace(/\.$/, '').replaceAll('"', ''));
  if (lines[0]?.split(/\s+/)[3] !== 'SOA') return data.join(' | ') || 'NODATA';
  const [mname = '', rname = '', , , , , minimum = ''] = data[0]?.split(' ') ?? [];
  return `${mname.replace(/\.$/, '')} ${rname.replace(/\.$/, '')} ${minimum}`;
}

describe.skipIf(!hasDig)(`dig${hasDig ? '' : ' (not run: dig is not installed)'}`, () => {
  const stops: (() => Promise<void>)[] = [];
  let port = '';
  beforeAll(async () => {
    const instance = instanceOf(specifiedCorefile(), specifiedCluster);
    const listener = await hostDns('127.0.0.1:0').listen(createAnswerer({ env: testEnv(), port: 53, current: () => instance }));
    stops.push(() => listener.close());
    port = listener.address.split(':')[1] ?? '';
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  it.each([['+notcp'], ['+tcp']])('sees every row of the specification (%s)', async (transport) => {
    const questions = specifiedRows.map(([name, type]) => `${name} ${type}\n`).join('');
    const out = await dig(['@127.0.0.1', '-p', port, transport, '+noall', '+comments', '+answer', '+time=30', '-f', '-'], questions);
    const seen = out.split(';; Got answer:').slice(1).map(read);
    expect(specifiedRows.map(([name, type], i) => [name, type, seen[i]])).toEqual(specifiedRows);
  });

  it('asks again by TCP for what was cut, and sees the size that was agreed on', async () => {
    const out = await dig(['@127.0.0.1', '-p', port, '+bufsize=900', 'db.default.svc.cluster.local', 'SRV'], '');
    expect(out).toContain('EDNS: version: 0, flags:; udp: 900');
    const bad = await dig(['@127.0.0.1', '-p', port, '+edns=1', '+noednsnegotiation', 'web.default.svc.cluster.local'], '');
    expect(bad).toContain('status: BADVERS');
  });
});
