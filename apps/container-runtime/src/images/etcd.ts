import { type HttpReply, serveHttp } from '../net/http-server.ts';
import type { Proc, Program } from '../process/proc.ts';
import { type Flags, flags } from './agnhost/flags.ts';
import { forever } from './agnhost/forever.ts';
import type { ImageDefinition } from './define-image.ts';

const version = '3.6.6';
const text = (body: string): HttpReply => ({ status: 200, headers: [['Content-Type', 'application/json']], body });

function listenUrls(proc: Proc, given: Flags): URL[] | undefined {
  const list = given.get('listen-client-urls') ?? proc.env.get('ETCD_LISTEN_CLIENT_URLS') ?? 'http://localhost:2379';
  const urls = list.split(',').map((one) => URL.parse(one));
  return urls.every((url) => url !== null) ? (urls as URL[]) : undefined;
}

const etcd: Program = async (proc) => {
  const given = flags(proc.argv.slice(1));
  const urls = listenUrls(proc, given);
  const log = (level: string, msg: string): Promise<void> => proc.err(`${JSON.stringify({ level, ts: new Date(proc.clock.now()).toISOString(), msg })}\n`);
  if (!urls) {
    await log('error', `error verifying flags: ${given.get('listen-client-urls') ?? ''}`);
    return 1;
  }
  const answer = ({ path }: { path: string }): HttpReply => {
    if (path === '/health' || path === '/readyz' || path === '/livez') return text(path === '/health' ? '{"health":"true","reason":""}' : 'ok\n');
    if (path === '/version') return text(JSON.stringify({ etcdserver: version, etcdcluster: '3.6.0' }));
    return { status: 404, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: '404 page not found\n' };
  };
  for (const { hostname, port } of urls) {
    const host = hostname.replace(/^\[|\]$/g, '');
    serveHttp(proc, { ip: host === '0.0.0.0' || host === '::' ? '' : host === 'localhost' ? '127.0.0.1' : host, port: Number(port || 2379) }, answer);
  }
  await log('info', 'ready to serve client requests');
  return forever(proc);
};

/** A member that can be reached and says that it is well; there are no keys in it (the sample API server keeps its objects itself). */
export const etcdImage: ImageDefinition = {
  names: ['registry.k8s.io/etcd', 'k8s.gcr.io/etcd', 'quay.io/coreos/etcd', 'gcr.io/etcd-development/etcd'],
  cmd: ['/usr/local/bin/etcd'],
  programs: { '/usr/local/bin/etcd': etcd },
  sizeBytes: 63_000_000,
  memoryBytes: 20 * 1024 ** 2,
};
