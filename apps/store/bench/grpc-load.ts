import { type Socket, connect } from 'node:net';

/**
 * A gRPC client that costs next to nothing, so that the server is what is measured: HTTP/2 frames by hand over a plain
 * socket, headers that are indexed after the first call as Go's client sends them, answers that are only cut into messages.
 * One method a connection. Good for a bench and nothing else: it takes every answer with a message for a success.
 */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8 } as const;
const largestWindow = 2 ** 31 - 1;
const refillAt = 2 ** 30;
const defaultWindow = 65_535;
const frameHeader = 9;
const messageHeader = 5;

function frameOf(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(frameHeader + payload.length);
  out.writeUIntBE(payload.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  out.set(payload, frameHeader);
  return out;
}

function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([0, id]), uint32(value)]);
}

function indexed(name: number | string, value: string): Buffer {
  const text = (s: string): Buffer => Buffer.concat([Buffer.from([s.length]), Buffer.from(s)]);
  return Buffer.concat([typeof name === 'number' ? Buffer.from([0x40 | name]) : Buffer.concat([Buffer.from([0x40]), text(name)]), text(value)]);
}

const methodAndScheme = Buffer.from([0x83, 0x86]);

/** The header block of the first call, which fills the table of the server, and of those after it. */
function headerBlocks(path: string, authority: string): { first: Buffer; later: Buffer } {
  const fields = [indexed(4, path), indexed(1, authority), indexed(31, 'application/grpc'), indexed('te', 'trailers'), indexed('user-agent', 'orrery-bench')];
  // The newest entry of the dynamic table is number 62.
  const later = fields.map((_, i) => 0x80 | (62 + fields.length - 1 - i));
  return { first: Buffer.concat([methodAndScheme, ...fields]), later: Buffer.concat([methodAndScheme, Buffer.from(later)]) };
}

interface Call {
  readonly message: (body: Buffer) => void;
  readonly end: (failure?: Error) => void;
  /** Bytes of a message that is not whole yet. */
  rest: Buffer | undefined;
}

export interface LoadConnection {
  /** One call; resolves `done` with the answer, or with an error when none came. */
  unary(request: Uint8Array, done: (answer: Buffer | Error) => void): void;
  /** A stream that stays open: what is sent on it, and every message that comes. */
  stream(first: Uint8Array, message: (body: Buffer) => void, ended: (failure?: Error) => void): { send(request: Uint8Array): void };
  close(): void;
}

class Connection implements LoadConnection {
  private readonly socket: Socket;
  private readonly blocks: { first: Buffer; later: Buffer };
  private readonly calls = new Map<number, Call>();
  private nextStream = 1;
  private window = defaultWindow;
  private taken = 0;
  private unsent: Buffer[] = [];
  private flushing = false;
  private readonly waiting: Buffer[] = [];
  private rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, options: { path: string; authority: string }) {
    this.socket = socket;
    this.blocks = headerBlocks(options.path, options.authority);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.receive(bytes));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the server closed the connection')));
    const settings = Buffer.concat([setting(2, 0), setting(4, largestWindow)]);
    socket.write(Buffer.concat([preface, frameOf(frame.settings, 0, 0, settings), frameOf(frame.windowUpdate, 0, 0, uint32(largestWindow - defaultWindow))]));
  }

  private fail(error: Error): void {
    const calls = [...this.calls.values()];
    this.calls.clear();
    for (const call of calls) call.end(error);
  }

  /** Calls of one turn of the event loop leave in one write. */
  private push(part: Buffer): void {
    this.unsent.push(part);
    if (this.flushing) return;
    this.flushing = true;
    process.nextTick(() => {
      this.flushing = false;
      const parts = this.unsent;
      this.unsent = [];
      this.socket.write(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
    });
  }

  private data(stream: number, request: Uint8Array, last: boolean): Buffer {
    const payload = Buffer.allocUnsafe(messageHeader + request.length);
    payload[0] = 0;
    payload.writeUInt32BE(request.length, 1);
    payload.set(request, messageHeader);
    return frameOf(frame.data, last ? flag.endStream : 0, stream, payload);
  }

  private sendData(part: Buffer): void {
    const bytes = part.length - frameHeader;
    if (this.waiting.length || bytes > this.window) {
      this.waiting.push(part);
      return;
    }
    this.window -= bytes;
    this.push(part);
  }

  private open(call: Call, request: Uint8Array, last: boolean): number {
    const stream = this.nextStream;
    this.nextStream += 2;
    this.calls.set(stream, call);
    this.push(frameOf(frame.headers, flag.endHeaders, stream, stream === 1 ? this.blocks.first : this.blocks.later));
    this.sendData(this.data(stream, request, last));
    return stream;
  }

  unary(request: Uint8Array, done: (answer: Buffer | Error) => void): void {
    let answer: Buffer | undefined;
    const end = (failure?: Error): void => done(answer ?? failure ?? new Error('the call failed: no message in the answer'));
    this.open({ message: (body) => (answer = body), end, rest: undefined }, request, true);
  }

  stream(first: Uint8Array, message: (body: Buffer) => void, ended: (failure?: Error) => void): { send(request: Uint8Array): void } {
    const id = this.open({ message, end: ended, rest: undefined }, first, false);
    return { send: (request) => this.sendData(this.data(id, request, false)) };
  }

  close(): void {
    this.calls.clear();
    this.socket.destroy();
  }

  private receive(chunk: Buffer): void {
    const bytes = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    while (at + frameHeader <= bytes.length) {
      const end = at + frameHeader + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.handle({ type: bytes[at + 3] as number, flags: bytes[at + 4] as number, stream: bytes.readUInt32BE(at + 5) & largestWindow }, bytes.subarray(at + frameHeader, end));
      at = end;
    }
    this.rest = at < bytes.length ? bytes.subarray(at) : Buffer.alloc(0);
  }

  private handle({ type, flags, stream }: { type: number; flags: number; stream: number }, payload: Buffer): void {
    if (type === frame.data) {
      this.refill(payload.length);
      const call = this.calls.get(stream);
      if (call) this.messages(call, flags & flag.padded ? payload.subarray(1, payload.length - (payload[0] as number)) : payload);
    }
    if (type === frame.data || type === frame.headers) {
      if (flags & flag.endStream) this.end(stream);
    } else if (type === frame.reset) this.end(stream, new Error(`the server reset the stream: ${payload.readUInt32BE(0)}`));
    else if (type === frame.settings && !(flags & flag.ack)) this.push(frameOf(frame.settings, flag.ack, 0, Buffer.alloc(0)));
    else if (type === frame.ping && !(flags & flag.ack)) this.push(frameOf(frame.ping, flag.ack, 0, payload));
    else if (type === frame.goaway) this.fail(new Error(`the server goes away: ${payload.subarray(8).toString('latin1')}`));
    else if (type === frame.windowUpdate && stream === 0) this.release(payload.readUInt32BE(0));
  }

  private end(stream: number, failure?: Error): void {
    const call = this.calls.get(stream);
    this.calls.delete(stream);
    call?.end(failure);
  }

  private release(bytes: number): void {
    this.window += bytes;
    for (let next = this.waiting[0]; next && next.length - frameHeader <= this.window; next = this.waiting[0]) {
      this.waiting.shift();
      this.window -= next.length - frameHeader;
      this.push(next);
    }
  }

  private refill(bytes: number): void {
    this.taken += bytes;
    if (this.taken < refillAt) return;
    this.push(frameOf(frame.windowUpdate, 0, 0, uint32(this.taken)));
    this.taken = 0;
  }

  private messages(call: Call, payload: Buffer): void {
    const bytes = call.rest ? Buffer.concat([call.rest, payload]) : payload;
    let at = 0;
    while (at + messageHeader <= bytes.length) {
      const end = at + messageHeader + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) break;
      call.message(bytes.subarray(at + messageHeader, end));
      at = end;
    }
    call.rest = at < bytes.length ? Buffer.from(bytes.subarray(at)) : undefined;
  }
}

/** Connects to `host:port`. */
export function connectLoad(address: string, path: string): Promise<LoadConnection> {
  const colon = address.lastIndexOf(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(new Connection(socket, { path, authority: address }));
    });
  });
}
