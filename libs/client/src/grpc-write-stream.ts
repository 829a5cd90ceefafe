import { serviceUnavailable, type StatusError } from '@orrery/errors';
import { type WriteReply, type WriteRequest, ResourcesDefinition } from '@orrery/proto/api';
import { AsyncQueue, type Channel, createClient } from '@orrery/rpc';
import { rpcErrorToStatus } from './rpc-status.ts';

interface Pending {
  resolve(reply: WriteReply): void;
  reject(error: StatusError): void;
}

interface Stream {
  readonly requests: AsyncQueue<WriteRequest>;
  readonly pending: Map<number, Pending>;
  readonly abort: AbortController;
}

/** Writes over one pipelined stream. When it breaks, what was under way fails with 503 and the next write opens another. */
export interface WriteStream {
  send(request: Omit<WriteRequest, 'id'>): Promise<WriteReply>;
  close(): void;
}

export function createWriteStream(channel: Channel, options: { onWarning: (warning: string) => void; metadata: () => Readonly<Record<string, string>> }): WriteStream {
  const client = createClient(ResourcesDefinition, channel);
  let current: Stream | undefined;
  let closed = false;
  let nextId = 1;

  const finish = (stream: Stream, error: StatusError): void => {
    if (current === stream) current = undefined;
    stream.requests.end();
    stream.abort.abort();
    for (const { reject } of stream.pending.values()) reject(error);
    stream.pending.clear();
  };
  const read = async (stream: Stream): Promise<void> => {
    try {
      for await (const reply of client.write(stream.requests, { signal: stream.abort.signal, metadata: options.metadata() })) {
        const id = reply.id ?? 0;
        const waiting = stream.pending.get(id);
        stream.pending.delete(id);
        for (const warning of reply.warnings ?? []) options.onWarning(warning);
        waiting?.resolve(reply);
      }
      finish(stream, serviceUnavailable('the API server ended the stream of writes'));
    } catch (error) {
      finish(stream, rpcErrorToStatus(error));
    }
  };
  const open = (): Stream => {
    const stream: Stream = { requests: new AsyncQueue(), pending: new Map(), abort: new AbortController() };
    current = stream;
    void read(stream);
    return stream;
  };
  return {
    send(request) {
      if (closed) return Promise.reject(serviceUnavailable('the client is closed'));
      const stream = current ?? open();
      const id = nextId;
      nextId = (nextId % 0x7fffffff) + 1;
      return new Promise((resolve, reject) => {
        stream.pending.set(id, { resolve, reject });
        stream.requests.push({ ...request, id });
      });
    },
    close() {
      closed = true;
      if (current) finish(current, serviceUnavailable('the client is closed'));
    },
  };
}
