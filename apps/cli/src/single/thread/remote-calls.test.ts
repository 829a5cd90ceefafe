import { ConfigError } from '@orrery/runtime';
import { NetError } from '@orrery/vnet';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { afterEach, expect, it } from 'vitest';
import { ExitCode, UserError } from '../../user-error.ts';
import { Handed, RemoteCalls, serveCalls } from './remote-calls.ts';

const closing: RemoteCalls<typeof calls>[] = [];
afterEach(() => closing.splice(0).forEach((remote) => remote.close(new Error('over'))));

const heard: string[] = [];
const calls = {
  add: (a: number, b: number): number => a + b,
  later: async (text: string): Promise<string> => text,
  never: (): Promise<void> => new Promise(() => undefined),
  note: (text: string): void => void heard.push(text),
  port(): Handed<{ port: MessagePort }> {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage('through the port');
    return new Handed({ port: port2 }, [port2]);
  },
  fail(kind: 'user' | 'config' | 'net' | 'plain'): void {
    if (kind === 'user') throw new UserError('do this', ExitCode.usage);
    if (kind === 'config') throw new ConfigError('--flag: taken');
    throw kind === 'net' ? new NetError('ECONNREFUSED', 'refused') : new TypeError('oh');
  },
};

function remote(): RemoteCalls<typeof calls> {
  const { port1, port2 } = new MessageChannel();
  serveCalls(port1, calls);
  const made = new RemoteCalls<typeof calls>(port2);
  closing.push(made);
  return made;
}

it('calls, and is answered', async () => {
  const far = remote();
  far.tell('note', 'first');
  expect(await Promise.all([far.call('add', 1, 2), far.call('later', 'x')])).toEqual([3, 'x']);
  expect(heard).toEqual(['first']);
});

it('is handed a port', async () => {
  const { port } = await remote().call('port');
  expect(await new Promise((resolve) => port.once('message', resolve))).toBe('through the port');
  port.close();
});

it('fails as there', async () => {
  const far = remote();
  await expect(far.call('fail', 'user')).rejects.toSatisfy((error) => error instanceof UserError && error.message === 'do this' && error.exitCode === ExitCode.usage);
  await expect(far.call('fail', 'config')).rejects.toSatisfy((error) => error instanceof UserError && error.message === '--flag: taken' && error.exitCode === ExitCode.failed);
  await expect(far.call('fail', 'net')).rejects.toSatisfy((error) => error instanceof NetError && error.code === 'ECONNREFUSED');
  await expect(far.call('fail', 'plain')).rejects.toMatchObject({ message: 'oh', stack: expect.stringContaining('remote-calls.test') as string });
});

it('fails what is under way when it is closed', async () => {
  const far = remote();
  const pending = far.call('never');
  far.close(new Error('stopped'));
  await expect(pending).rejects.toThrow('stopped');
  await expect(far.call('add', 1, 1)).rejects.toThrow('stopped');
});
