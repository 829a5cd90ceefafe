import { Opcode, WebSocketConnection, acceptKey, encodeFrame, offeredProtocols, streamOfSocket, upgradeProtocol } from '@orrery/http';
import { badRequest } from '@orrery/errors';
import type { ByteSink, RawSocket } from '@orrery/node-io/http-server';
import type { Exchange } from './exchange.ts';
import type { StreamForm } from './stream-form.ts';

/** A token that a browser sends in place of a header is no protocol. */
const bearerProtocol = 'base64url.bearer.authorization.k8s.io.';
/** Of the four bytes that say how long a protobuf event is: a message knows its end. */
const lengthBytes = 4;

/** The same events as messages of a WebSocket, one each: text for JSON, binary for protobuf. */
export function messageForm(form: StreamForm): StreamForm {
  const isBinary = form.contentType.startsWith('application/vnd.kubernetes.protobuf');
  const opcode = isBinary ? Opcode.binary : Opcode.text;
  const message = (event: Buffer): Buffer => encodeFrame({ final: true, opcode, payload: isBinary ? event.subarray(lengthBytes) : event });
  return {
    contentType: form.contentType,
    events: (frames) => Buffer.concat(frames.map((frame) => message(form.events([frame])))),
    failure: (status) => message(form.failure(status)),
  };
}

/**
 * Answers the handshake of a watch over a WebSocket, which browsers and some client libraries prefer. What the client sends is
 * read for pings and the close only; `gone` hears of the end. Throws 400 for another kind of upgrade.
 */
export async function openWatchSocket(exchange: Exchange, socket: RawSocket, gone: () => void): Promise<ByteSink> {
  const { request } = exchange;
  const key = exchange.header('sec-websocket-key');
  if (upgradeProtocol(request) !== 'websocket' || !key) throw badRequest('a watch can be upgraded to a WebSocket only');
  const protocol = offeredProtocols(request).find((offered) => !offered.startsWith(bearerProtocol));
  const sink = exchange.response.stream(101, {
    upgrade: 'websocket',
    'sec-websocket-accept': await acceptKey(key),
    ...(protocol ? { 'sec-websocket-protocol': protocol } : {}),
  });
  const incoming = new WebSocketConnection(streamOfSocket(socket), { role: 'server' });
  void listen(incoming).then(gone);
  return {
    write: (bytes) => sink.write(bytes),
    drained: () => sink.drained(),
    get closed() {
      return sink.closed;
    },
    end() {
      if (!sink.closed) void incoming.close().catch(() => undefined);
      sink.end();
    },
  };
}

/** Resolves when the client closes, goes away, or sends what is no WebSocket: each ends the watch alike. */
async function listen(incoming: WebSocketConnection): Promise<void> {
  try {
    while (await incoming.receive());
  } catch {
    // The connection is of no use any more.
  }
}
