import type { Clock } from '@orrery/runtime';
import { Code, RpcError } from '../rpc-error.ts';
import type { Peer, ServedService } from '../service.ts';
import { failureTrailer, httpRefusal } from './answer-frames.ts';
import { type CallHead, callHead } from './call-head.ts';
import type { Header } from './hpack.ts';
import { type CallSite, type Route, ServerCall } from './server-call.ts';
import { type ByteTransport, ServerConnection, type ServerStream, type StreamEvents } from './server-connection.ts';

export interface GrpcConnections {
  /** A connection was accepted; feed what comes to `receive`, and `close` it when it is gone. */
  accept(transport: ByteTransport, peer: Peer): ServerConnection;
  /** Connections that are not closed. */
  readonly open: ReadonlySet<ServerConnection>;
}

const ignored: StreamEvents = { data: () => undefined, end: () => undefined, closed: () => undefined };

function routesOf(services: readonly ServedService[]): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const { definition, handlers } of services) {
    for (const [key, method] of Object.entries(definition.methods)) routes.set(`/${definition.fullName}/${method.name}`, { method, handler: handlers[key] as Route['handler'] });
  }
  return routes;
}

function unknownPath(path: string, services: readonly ServedService[]): RpcError {
  const slash = path.lastIndexOf('/');
  if (slash <= 0) return new RpcError(Code.UNIMPLEMENTED, `malformed method name: ${JSON.stringify(path)}`);
  const [service, method] = [path.slice(1, slash), path.slice(slash + 1)];
  const known = services.some(({ definition }) => definition.fullName === service);
  return new RpcError(Code.UNIMPLEMENTED, known ? `unknown method ${method} for service ${service}` : `unknown service ${service}`);
}

/** gRPC over HTTP/2 connections that someone else accepts: no sockets, no time but the clock's. Errors have the words of Go's gRPC. */
export function grpcConnections(services: readonly ServedService[], options: { clock: Clock; maxMessageBytes: number }): GrpcConnections {
  const routes = routesOf(services);
  const open = new Set<ServerConnection>();

  const begin = (site: CallSite, stream: ServerStream, head: CallHead): StreamEvents => {
    const { connection } = site;
    const { id } = stream.out;
    const refuse = (frames: Buffer): StreamEvents => (connection.finish(stream, frames), ignored);
    if (head.httpMethod !== 'POST') return refuse(httpRefusal(id, 405));
    if (!/^application\/grpc(?:[+;]|$)/.test(head.contentType)) return refuse(httpRefusal(id, 415));
    if (head.refusal) return refuse(failureTrailer(id, head.refusal, false));
    const route = routes.get(head.path);
    if (!route) return refuse(failureTrailer(id, unknownPath(head.path, services), false));
    return new ServerCall(site, stream, { head, route });
  };

  return {
    open,
    accept(transport, peer) {
      // Calls of one kind have the very same headers again and again.
      let lastHeaders: readonly Header[] | undefined;
      let lastHead: CallHead | undefined;
      const headOf = (headers: readonly Header[]): CallHead => {
        if (headers !== lastHeaders || !lastHead) lastHead = callHead((lastHeaders = headers));
        return lastHead;
      };
      const connection: ServerConnection = new ServerConnection(
        {
          write: (bytes) => transport.write(bytes),
          get backlog() {
            return transport.backlog;
          },
          drained: () => transport.drained(),
          end: () => {
            open.delete(connection);
            transport.end();
          },
        },
        (stream, headers) => begin(site, stream, headOf(headers)),
      );
      const site: CallSite = { connection, transport, clock: options.clock, peer, maxMessageBytes: options.maxMessageBytes };
      open.add(connection);
      return connection;
    },
  };
}
