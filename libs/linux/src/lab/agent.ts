/**
 * The program that lives in a namespace of the lab: it serves and asks as it is told, one JSON object a line, and ends with its
 * standard input. It imports next to nothing, so that it starts in 30 ms.
 */
import { createSocket } from 'node:dgram';
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { type Forwarder, type Targets, openForwarder } from '../forwarder.ts';

interface Request {
  readonly id: number;
  readonly op: 'serve' | 'ask' | 'forward' | 'update';
  /** Of `update`: what the forwarder at `port` forwards to; absent closes it. */
  readonly targets?: Targets;
  readonly protocol: 'TCP' | 'UDP';
  readonly ip: string;
  readonly port: number;
  /** Of `serve`: what it answers with, before the address of who asks. */
  readonly name?: string;
  readonly timeoutMs?: number;
  /** Of `ask`: the own port, to look like the same client again. */
  readonly fromPort?: number;
}

/** No client looks like one before it, as the kernel remembers where that one was sent. */
let lastPort = 10_000;

const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '');

function serve({ protocol, port, name = '' }: Request): Promise<string> {
  return new Promise((resolve, reject) => {
    if (protocol === 'TCP') {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        socket.end(`${name} ${plain(socket.remoteAddress)}`);
      });
      server.on('error', reject).listen({ host: '::', port }, () => resolve('serving'));
      return;
    }
    const socket = createSocket({ type: 'udp6' }, (_message, from) => socket.send(`${name} ${plain(from.address)}`, from.port, from.address));
    socket.on('error', reject).bind(port, '::', () => resolve('serving'));
  });
}

function askTcp({ ip, port, timeoutMs = 60_000, fromPort = ++lastPort }: Request): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host: ip, port, localPort: fromPort });
    let answer = '';
    const timer = setTimeout(() => socket.destroy(new Error('TIMEOUT')), timeoutMs);
    socket.on('data', (bytes) => (answer += bytes.toString()));
    socket.on('end', () => resolve(answer));
    socket.on('error', (error: NodeJS.ErrnoException) => reject(new Error(error.code ?? error.message)));
    socket.on('close', () => clearTimeout(timer));
  });
}

function askUdp({ ip, port, timeoutMs = 60_000, fromPort = ++lastPort }: Request): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(ip.includes(':') ? 'udp6' : 'udp4');
    const done = (finish: () => void): void => {
      clearTimeout(timer);
      clearInterval(again);
      socket.close();
      finish();
    };
    const timer = setTimeout(() => done(() => reject(new Error('TIMEOUT'))), timeoutMs);
    // A datagram may be lost while neighbours are being found.
    const again = setInterval(() => socket.send('?'), 500);
    socket.on('message', (message) => done(() => resolve(message.toString())));
    socket.on('error', (error: NodeJS.ErrnoException) => done(() => reject(new Error(error.code ?? error.message))));
    socket.bind(fromPort, () => socket.connect(port, ip, () => socket.send('?')));
  });
}

const forwarders = new Map<string, Forwarder>();

async function forward({ protocol }: Request): Promise<string> {
  const forwarder = await openForwarder(protocol);
  forwarders.set(`${protocol}/${forwarder.port}`, forwarder);
  return String(forwarder.port);
}

async function update({ protocol, port, targets }: Request): Promise<string> {
  const forwarder = forwarders.get(`${protocol}/${port}`);
  if (targets) forwarder?.update(targets);
  else forwarder?.close();
  return 'updated';
}

const operations = { serve, forward, update, ask: (request: Request) => (request.protocol === 'TCP' ? askTcp(request) : askUdp(request)) };

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const request = JSON.parse(line) as Request;
    operations[request.op](request).then(
      (answer) => process.stdout.write(`${JSON.stringify({ id: request.id, answer })}\n`),
      (error: Error) => process.stdout.write(`${JSON.stringify({ id: request.id, error: error.message })}\n`),
    );
  })
  .on('close', () => process.exit(0));
process.stdout.write('{"id":0,"answer":"ready"}\n');
