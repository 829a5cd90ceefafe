import { ChannelConnection, type ChannelMessage, connectWebSocket } from '@orrery/http';
import { dialHost, realClock, serveHttp } from '@orrery/node-io';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type TestNode, type TestPod, testNode } from '../testing/test-node.ts';

let node: TestNode;
let pod: TestPod;

beforeAll(async () => {
  node = await testNode({ serveHttp });
  pod = await node.runPod({ name: 'stream', image: 'busybox', command: ['sleep', '3600'] });
});

afterAll(async () => {
  await node.component.stop();
});

interface Client {
  send(channel: number, text: string): Promise<void>;
  endInput(): Promise<void>;
  /** What a channel has said so far. */
  text(channel: number): string;
  saw(channel: number, text: string): Promise<void>;
  readonly ended: Promise<void>;
  destroy(): void;
}

async function connect(url: string): Promise<Client> {
  const { hostname, port, pathname } = new URL(url);
  const stream = await dialHost({ host: hostname, port: Number(port) });
  const { socket } = await connectWebSocket(stream, { target: pathname, host: hostname, protocols: ['v5.channel.k8s.io'] });
  const channels = new ChannelConnection(socket, { codec: 'binary', halfClose: true });
  const said = new Map<number, string>();
  const ended = (async () => {
    for (let message: ChannelMessage | undefined = await channels.receive(); message; message = await channels.receive()) {
      said.set(message.channel, (said.get(message.channel) ?? '') + Buffer.from(message.data).toString());
    }
  })().catch(() => undefined);
  return {
    send: (channel, text) => channels.send(channel, Buffer.from(text)),
    endInput: () => socket.send(Buffer.from([255, 0])),
    text: (channel) => said.get(channel) ?? '',
    saw: (channel, text) => expect.poll(() => said.get(channel) ?? '').toContain(text),
    ended,
    destroy: () => channels.destroy(),
  };
}

const [stdin, stdout, stderr, error, resize] = [0, 1, 2, 3, 4];

test('exec: streams, exit code, one-time URLs', async () => {
  const { url = '' } = await node.runtime.exec({ containerId: pod.container, cmd: ['sh', '-c', 'read x; echo "got $x"; echo oops >&2; cat; exit 3'], stdin: true, stdout: true, stderr: true });
  const client = await connect(url);
  await client.send(stdin, 'hello\nrest');
  await client.endInput();
  await client.ended;
  expect([client.text(stdout), client.text(stderr)]).toEqual(['got hello\nrest', 'oops\n']);
  expect(JSON.parse(client.text(error))).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode', details: { causes: [{ reason: 'ExitCode', message: '3' }] } });
  await expect(connect(url)).rejects.toThrow(/404/);
});

test('exec of a command that is not there', async () => {
  const { url = '' } = await node.runtime.exec({ containerId: pod.container, cmd: ['nope'], stdout: true });
  const client = await connect(url);
  await client.ended;
  expect(JSON.parse(client.text(error)).message).toContain('exec: "nope": executable file not found in $PATH');
});

test('an interactive shell on a terminal: prompt, echo, erase, ^C, resize, ^D', async () => {
  const { url = '' } = await node.runtime.exec({ containerId: pod.container, cmd: ['sh'], stdin: true, stdout: true, tty: true });
  const client = await connect(url);
  await client.saw(stdout, '/ # ');
  await client.send(resize, '{"Width":100,"Height":40}');
  await client.send(stdin, 'echo hix\x7f; cd /tmp\r');
  await client.saw(stdout, 'hi\r\n/tmp # ');
  await client.send(stdin, 'sleep 100\r');
  await client.saw(stdout, 'sleep 100\r\n');
  await client.send(stdin, '\x03');
  await client.saw(stdout, '^C\r\n/tmp # ');
  await client.send(stdin, 'for i in 1 2; do\r');
  await client.saw(stdout, '\r\n> ');
  await client.send(stdin, 'echo n$i; done; false\r');
  await client.saw(stdout, 'n1\r\nn2\r\n/tmp # ');
  await client.send(stdin, 'stty 2>/dev/null; tty\r');
  await client.saw(stdout, '/dev/pts/0\r\n');
  await client.send(stdin, 'exit 4\r');
  await client.ended;
  expect(JSON.parse(client.text(error)).details.causes[0].message).toBe('4');
});

test('attach: sees output from now on, types into the container, which goes on when the client leaves', async () => {
  const command = ['sh', '-c', 'while read l; do echo "you said $l"; done; echo over'];
  const chatty = await node.runPod({ name: 'chat', image: 'busybox', command, stdin: true });
  const attach = async (container: string): Promise<Client> => connect((await node.runtime.attach({ containerId: container, stdin: true, stdout: true, stderr: true })).url ?? '');
  const first = await attach(chatty.container);
  await first.send(stdin, 'one\n');
  await first.saw(stdout, 'you said one\n');
  first.destroy();
  const second = await attach(chatty.container);
  await second.send(stdin, 'two\n');
  await second.saw(stdout, 'you said two\n');
  second.destroy();
  expect(await node.log(chatty.container)).toBe('you said one\nyou said two\n');
  const third = await attach(chatty.container);
  await third.send(stdin, 'three\n');
  await third.saw(stdout, 'you said three\n');
  await third.endInput();
  await third.ended;
  expect(JSON.parse(third.text(error)).status).toBe('Success');
  const once = await node.runPod({ name: 'once', image: 'busybox', command, stdin: true, stdinOnce: true });
  const only = await attach(once.container);
  await only.send(stdin, 'last\n');
  await only.endInput();
  await only.ended;
  expect(only.text(stdout)).toBe('you said last\nover\n');
  expect(JSON.parse(only.text(error)).status).toBe('Success');
});

test('attach to a terminal as kubectl run -it does', async () => {
  const shell = await node.runPod({ name: 'tty', image: 'busybox', stdin: true, stdinOnce: true, tty: true });
  const client = await connect((await node.runtime.attach({ containerId: shell.container, stdin: true, stdout: true, tty: true })).url ?? '');
  await client.send(stdin, '\r');
  await client.saw(stdout, '/ # ');
  await client.send(stdin, 'hostname\r');
  await client.saw(stdout, 'tty\r\n');
  await client.send(stdin, '\x04');
  await client.ended;
  expect((await node.runtime.containerStatus({ containerId: shell.container })).status?.exitCode).toBe(0);
});

test('a client that leaves hangs its terminal up', async () => {
  const { url = '' } = await node.runtime.exec({ containerId: pod.container, cmd: ['sh', '-c', 'trap "echo hung > /tmp/hup; exit" HUP; while true; do sleep 0.01; done'], stdin: true, stdout: true, tty: true });
  const client = await connect(url);
  await realClock.sleep(50);
  client.destroy();
  await expect.poll(async () => (await pod.sh('cat /tmp/hup')).stdout).toBe('hung\n');
});

test('port-forward over WebSocket channels reaches a port of the pod', async () => {
  const web = await node.runPod({ name: 'fwd', image: 'hashicorp/http-echo', args: ['-text=forwarded', '-listen=127.0.0.1:8099'] });
  const { url = '' } = await node.runtime.portForward({ podSandboxId: web.sandbox, port: [8099] });
  const { hostname, port, pathname } = new URL(url);
  const { socket } = await connectWebSocket(await dialHost({ host: hostname, port: Number(port) }), { target: pathname, host: hostname, protocols: ['v4.channel.k8s.io'] });
  const channels = new ChannelConnection(socket, { codec: 'binary', halfClose: false });
  await channels.send(0, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'));
  let reply = '';
  while (!reply.includes('forwarded\n')) {
    const message = await channels.receive();
    if (!message) break;
    if (message.channel === 0 && message.data.length > 2) reply += Buffer.from(message.data).toString();
  }
  expect(reply).toMatch(/^HTTP\/1\.1 200 OK/);
  channels.destroy();
});
