import { type Conn, type Endpoint, NetError, type NetErrorCode } from '@orrery/vnet';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** One way of a connection: bytes, its end, and how they are acknowledged. A connection's end in both ways closes the port. */
type Message = { readonly bytes: Uint8Array } | { readonly accepted: true } | { readonly end: true } | { readonly closed: { readonly message: string; readonly code: NetErrorCode } | null };

/** What the other thread needs to take a connection over. */
export interface HandedConn {
  readonly port: MessagePort;
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Gives a connection of this thread to another one. */
export function handOver(conn: Conn): HandedConn {
  const { port1, port2 } = new MessageChannel();
  const post = (message: Message): void => port1.postMessage(message);
  const fail = (error: unknown): void => {
    const { message, code } = error as NetError;
    post({ closed: { message, code: code ?? 'ECONNRESET' } });
  };
  /** The reader there asks for the next bytes when it has taken the last: nothing piles up on the way. */
  const pass = async (): Promise<void> => {
    const bytes = await conn.read();
    // A copy: who wrote the bytes may have them in a buffer with others.
    post(bytes ? { bytes: bytes.slice() } : { end: true });
  };
  port1.on('message', (message: Message) => {
    if ('bytes' in message) conn.write(message.bytes).then(() => post({ accepted: true }), fail);
    else if ('accepted' in message) pass().catch(fail);
    else if ('end' in message) conn.closeWrite().catch(fail);
    else {
      conn.close(message.closed ? new NetError(message.closed.code, message.closed.message) : undefined);
      port1.close();
    }
  });
  // The other thread is gone, or has closed its end.
  port1.on('close', () => conn.close());
  return { port: port2, local: conn.local, remote: conn.remote };
}

/** A connection that another thread has given. */
export function takeOver({ port, local, remote }: HandedConn): Conn {
  let failure: NetError | undefined;
  let reader: { resolve: (bytes: Uint8Array | undefined) => void; reject: (error: Error) => void } | undefined;
  const writers: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let isAtEnd = false;
  let isDone = false;
  const post = (message: Message): void => port.postMessage(message);
  const over = (error: NetError): void => {
    if (failure) return;
    failure = error;
    reader?.reject(error);
    reader = undefined;
    for (const { reject } of writers.splice(0)) reject(error);
    port.close();
  };
  port.on('message', (message: Message) => {
    if ('accepted' in message) return writers.shift()?.resolve();
    if ('closed' in message) return over(new NetError(message.closed?.code ?? 'ECONNRESET', message.closed?.message ?? 'connection closed'));
    if ('end' in message) isAtEnd = true;
    reader?.resolve('bytes' in message ? message.bytes : undefined);
    reader = undefined;
    if (isAtEnd && isDone) port.close();
  });
  port.on('close', () => over(new NetError('ECONNRESET', 'connection closed')));
  return {
    local,
    remote,
    read() {
      if (isAtEnd) return Promise.resolve(undefined);
      if (failure) return Promise.reject(failure);
      return new Promise((resolve, reject) => {
        reader = { resolve, reject };
        post({ accepted: true });
      });
    },
    write(bytes) {
      if (failure) return Promise.reject(failure);
      post({ bytes: bytes.slice() });
      return new Promise((resolve, reject) => writers.push({ resolve, reject }));
    },
    async closeWrite() {
      if (failure || isDone) return;
      isDone = true;
      post({ end: true });
      if (isAtEnd) port.close();
    },
    close(error) {
      if (failure) return;
      post({ closed: error ? { message: error.message, code: 'ECONNRESET' } : null });
      over(new NetError('EPIPE', 'connection closed'));
    },
  };
}
