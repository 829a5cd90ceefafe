import type { Proc, UnaryReply } from '../../process/proc.ts';
import { serveHttp } from '../../net/http-server.ts';
import { type Command } from './flags.ts';
import { forever } from './forever.ts';
import { goFatal, goLog } from './go-text.ts';

const [serving, notServing] = [1, 2];
const [notFound, unimplemented] = [5, 12];

/** The `service` of a HealthCheckRequest: field 1, a string shorter than 128 bytes. */
function serviceOf(message: Uint8Array): string {
  return message[0] === 0x0a ? Buffer.from(message.subarray(2, 2 + (message[1] ?? 0))).toString() : '';
}

function check(message: Uint8Array, options: { service: string; healthy: boolean }): UnaryReply {
  if (serviceOf(message) !== options.service) return { code: notFound, text: 'unknown service' };
  return { message: Uint8Array.of(0x08, options.healthy ? serving : notServing) };
}

/** gRPC health checks whose answer changes with time or by HTTP. */
export const grpcHealthChecking: Command = async (proc: Proc, flags) => {
  const { servers } = proc.net;
  if (!servers) return goFatal(proc, 'Error while starting the gRPC server: this runtime speaks no gRPC');
  if (flags.get('tls-cert-file')) return goFatal(proc, 'gRPC over TLS is not emulated: --tls-cert-file cannot be used');
  const [port, httpPort, delaySeconds] = [flags.number('port', 5000), flags.number('http-port', 8080), flags.number('delay-unhealthy-sec', -1)];
  const service = flags.get('service') ?? '';
  const startMs = proc.clock.monotonic();
  const seconds = (): number => (proc.clock.monotonic() - startMs) / 1000;
  let forced: boolean | undefined;
  const healthy = (): boolean => forced !== false && !(delaySeconds >= 0 && seconds() >= delaySeconds);
  serveHttp(proc, { ip: '', port: httpPort }, async ({ path }) => {
    if (path !== '/make-serving' && path !== '/make-not-serving') return { status: 404, body: '404 page not found\n' };
    forced = path === '/make-serving';
    await goLog(proc, `Mark as ${forced ? 'healthy' : 'unhealthy'}`);
    return { status: 200, body: `${seconds()}s` };
  });
  await goLog(proc, `Http server starting to listen on :${httpPort}`);
  proc.net.listen({ ip: '', port }, (conn) =>
    servers.unary(conn, (path, message) => {
      if (path !== '/grpc.health.v1.Health/Check') return { code: unimplemented, text: 'unimplemented' };
      void goLog(proc, 'Serving the Check request for health check').catch(() => conn.close());
      return check(message, { service, healthy: healthy() });
    }),
  );
  await goLog(proc, `gRPC server starting to listen on :${port}`);
  return forever(proc);
};
