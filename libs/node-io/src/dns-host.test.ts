import { afterEach, describe, expect, it } from 'vitest';
import { dnsUpstream, hostDns } from './dns-host.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** Echoes the message with its truncation bit as told; long ones over TCP. */
async function server(truncate: boolean): Promise<string> {
  const listener = await hostDns('127.0.0.1:0').listen({
    answer(message, { transport }) {
      if (message[2] === 0xff) return Promise.resolve(undefined);
      const reply = transport === 'tcp' ? Buffer.concat([message, Buffer.alloc(2000, 1)]) : Buffer.from(message);
      if (transport === 'udp' && truncate) reply[2] = (reply[2] ?? 0) | 0x02;
      return Promise.resolve(reply);
    },
  });
  stops.push(() => listener.close());
  return listener.address;
}

const message = Buffer.from([0, 7, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

describe('DNS on this machine', () => {
  it('answers by UDP', async () => {
    expect(await dnsUpstream([await server(false)]).query(message)).toEqual(message);
  });
  it('is asked again by TCP when the answer was truncated', async () => {
    expect((await dnsUpstream([await server(true)]).query(message)).length).toBe(message.length + 2000);
  });
  it('asks the next server when one does not answer', async () => {
    const silent = Buffer.from(message);
    silent[2] = 0xff;
    await expect(dnsUpstream([await server(false)], 100).query(silent)).rejects.toThrow('does not answer');
    expect(await dnsUpstream(['127.0.0.1:1', await server(false)], 200).query(message)).toEqual(message);
  });
  it('says that there is no server', async () => {
    await expect(dnsUpstream([]).query(message)).rejects.toThrow('no upstream name server');
  });
});
