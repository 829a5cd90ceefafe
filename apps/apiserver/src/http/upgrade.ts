import type { HttpHeaders, HttpResponse, RawSocket } from '@orrery/node-io/http-server';

/** The head of an HTTP/1.1 reply on a raw connection. */
export function responseHead(status: number, headers: HttpHeaders): string {
  const lines = [`HTTP/1.1 ${status} ${reasons[status] ?? 'Status'}`];
  for (const [name, value] of Object.entries(headers)) {
    for (const one of value === undefined ? [] : typeof value === 'string' ? [value] : value) lines.push(`${name}: ${one}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const reasons: Readonly<Record<number, string>> = {
  101: 'Switching Protocols',
  200: 'OK',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** Lets a request that asked for an upgrade be refused like any other: the reply is written by hand, then the connection ends. */
export function upgradeResponse(socket: RawSocket): HttpResponse {
  const send = (status: number, headers: HttpHeaders, body: Uint8Array | string = ''): void => {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    if (socket.closed) return;
    socket.write(Buffer.from(responseHead(status, { ...headers, 'content-length': String(bytes.length), connection: 'close' })));
    socket.write(bytes);
    socket.end();
  };
  return {
    send,
    stream(status, headers) {
      socket.write(Buffer.from(responseHead(status, { ...headers, connection: status === 101 ? 'Upgrade' : 'close' })));
      return socket;
    },
    gzip: async (body) => Buffer.from(body),
  };
}
