import { request } from 'node:https';
import { clusterServerName } from '@orrery/node-io';
import { type Health, hostPort } from './balancer.ts';

/** An answer that takes longer is none. A server whose store is away waits two seconds for it before it says that it is not ready. */
const timeoutMs = 3_000;

/** Asks API servers for `/readyz`, which anybody may; `ca` is the authority of their certificates (PEM). */
export function apiServerHealth(ca: string): (server: string) => Promise<Health> {
  return (server) =>
    new Promise((resolve) => {
      const call = request({ ...hostPort(server), path: '/readyz', ca, servername: clusterServerName, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode === 200 ? 'ready' : 'unready');
      });
      // A socket's own limit begins anew when it is connected, and again when it is asked.
      // On a machine that stood still the answer may be there, not read yet: that comes before what is set here.
      const timer = setTimeout(() => setImmediate(() => call.destroy(new Error('no answer in time'))), timeoutMs);
      call.on('close', () => clearTimeout(timer));
      call.on('error', () => resolve('away'));
      call.end();
    });
}
