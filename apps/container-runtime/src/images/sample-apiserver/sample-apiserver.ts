import { NetError } from '@orrery/vnet';
import { forbidden, serviceUnavailable } from '@orrery/errors';
import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc, Program } from '../../process/proc.ts';
import { type Flags, flags } from '../agnhost/flags.ts';
import { forever } from '../agnhost/forever.ts';
import { InClusterError, askApi } from '../agnhost/in-cluster.ts';
import { goLog } from '../agnhost/go-text.ts';
import { tlsFromFlags } from '../agnhost/tls-flags.ts';
import type { ImageDefinition } from '../define-image.ts';
import { type ApiCall, SampleApi, type Target, failure, jsonReply, targetOf } from './api.ts';
import { documentAt, group, version } from './documents.ts';
import { SampleStore } from './store.ts';

const retryMs = 1000;
const reviewKeptMs = 10_000;
const always = new Set(['/healthz', '/readyz', '/livez']);

/** Who asks, as the aggregator says in headers. */
interface Sender {
  readonly user: string;
  readonly groups: readonly string[];
}

function senderOf({ headerList }: HttpRequest): Sender {
  const all = (wanted: string): string[] => headerList.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value);
  const [user] = all('x-remote-user');
  return user === undefined ? { user: 'system:anonymous', groups: ['system:unauthenticated'] } : { user, groups: all('x-remote-group') };
}

/** Asks the cluster whether somebody may do something (SubjectAccessReview); answers are kept for ten seconds, as upstream keeps them. */
function authorizer(proc: Proc): (sender: Sender, attributes: object) => Promise<boolean> {
  const known = new Map<string, { allowed: boolean; untilMs: number }>();
  return async ({ user, groups }, attributes) => {
    const spec = { user, groups, ...attributes };
    const key = JSON.stringify(spec);
    const nowMs = proc.clock.monotonic();
    for (const [old, { untilMs }] of known) if (untilMs <= nowMs) known.delete(old);
    const found = known.get(key);
    if (found) return found.allowed;
    const { status, body } = await askApi(proc, '/apis/authorization.k8s.io/v1/subjectaccessreviews', { method: 'POST', body: JSON.stringify({ apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec }) });
    if (status !== 201) throw new InClusterError(`subjectaccessreviews: ${messageOf(body)}`);
    const { allowed = false } = (JSON.parse(body) as { status?: { allowed?: boolean } }).status ?? {};
    known.set(key, { allowed, untilMs: nowMs + reviewKeptMs });
    return allowed;
  };
}

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as { message?: string }).message ?? body;
  } catch {
    return body;
  }
}

/** The server trusts whom the cluster's aggregator trusts: until it may read who that is, it does not serve. */
async function awaitTrust(proc: Proc): Promise<void> {
  for (;;) {
    try {
      const { status, body } = await askApi(proc, '/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication');
      if (status === 200) return;
      await goLog(proc, `unable to load configmap based request-header-client-ca-file: ${messageOf(body)}`);
    } catch (error) {
      if (!(error instanceof InClusterError)) throw error;
      await goLog(proc, `unable to load configmap based request-header-client-ca-file: ${error.message}`);
    }
    await proc.sleep(retryMs);
  }
}

/** Waits until the store that the server was given can be reached. */
async function awaitEtcd(proc: Proc, given: Flags): Promise<void> {
  const servers = (given.get('etcd-servers') ?? '').split(',').filter(Boolean);
  const [url] = servers.map((server) => URL.parse(server));
  if (!url) {
    await proc.err('Error: --etcd-servers must be specified\n');
    proc.exit(1);
  }
  for (;;) {
    try {
      const [ip = ''] = await proc.net.lookup(url.hostname);
      (await proc.net.dial({ ip, port: Number(url.port || 2379) }, { timeoutMs: 5000 })).close();
      return;
    } catch (error) {
      if (!(error instanceof NetError || error instanceof ResolveError)) throw error;
      await goLog(proc, `[core] addrConn.createTransport failed to connect to {Addr: ${JSON.stringify(url.host)}}. Err: ${error.message}`);
      await proc.sleep(retryMs);
    }
  }
}

const mayNot = ({ user }: Sender, { verb, resource, namespace, name }: Target): Error => {
  const where = namespace ? ` in the namespace "${namespace}"` : ' at the cluster scope';
  return forbidden({ group, resource: resource.plural, name }, `User "${user}" cannot ${verb} resource "${resource.plural}" in API group "${group}"${where}`);
};

async function answer(request: HttpRequest, context: { api: SampleApi; allows: ReturnType<typeof authorizer> }): Promise<HttpReply> {
  const { path, method, query, headers } = request;
  if (always.has(path.replace(/(?<=^\/[a-z]+)\/.*/, ''))) return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: 'ok' };
  const sender = senderOf(request);
  const call: ApiCall = { method, path, query, contentType: headers['content-type'] ?? '', accept: headers['accept'] ?? '', body: (await request.body()).toString() };
  const target = targetOf(call);
  const attributes = target
    ? { resourceAttributes: { verb: target.verb, group, version, resource: target.resource.plural, subresource: target.subresource, namespace: target.namespace, name: target.name } }
    : { nonResourceAttributes: { verb: method.toLowerCase(), path } };
  try {
    const allowed = await context.allows(sender, attributes);
    if (!allowed) throw target ? mayNot(sender, target) : forbidden({ group: '', resource: '', name: '' }, `User "${sender.user}" cannot ${method.toLowerCase()} path "${path}"`);
    if (target) return context.api.serve(call, target);
    const document = method === 'GET' || method === 'HEAD' ? documentAt(path, call.accept) : undefined;
    if (!document) return { status: 404, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: '404 page not found\n' };
    return jsonReply(200, document.body, document.type);
  } catch (error) {
    return failure(error instanceof InClusterError ? serviceUnavailable(error.message) : error);
  }
}

const program: Program = async (proc) => {
  const given = flags(proc.argv.slice(1));
  const secure = await tlsFromFlags(proc, given);
  await awaitEtcd(proc, given);
  await awaitTrust(proc);
  const api = new SampleApi(new SampleStore({ clock: proc.clock, random: proc.random }), { until: (ms) => proc.sleep(ms) });
  const allows = authorizer(proc);
  const port = given.number('secure-port', 443);
  serveHttp(proc, { ip: '', port, secure }, (request) => answer(request, { api, allows }));
  await goLog(proc, `Serving securely on [::]:${port}`);
  return forever(proc);
};

/**
 * The extension API server that Kubernetes' own tests register with the aggregator: flunders and fischers of
 * wardle.example.com/v1alpha1. It wants its etcd to be there, but keeps its objects itself, as long as it runs.
 */
export const sampleApiserver: ImageDefinition = {
  names: ['registry.k8s.io/e2e-test-images/sample-apiserver', 'k8s.gcr.io/e2e-test-images/sample-apiserver', 'gcr.io/kubernetes-e2e-test-images/sample-apiserver'],
  entrypoint: ['/sample-apiserver'],
  programs: { '/sample-apiserver': program },
  sizeBytes: 39_000_000,
  memoryBytes: 30 * 1024 ** 2,
};
