import type { Pod } from '@orrery/api/types';
import { badRequest } from '@orrery/errors';
import { upgradeProtocol } from '@orrery/http';
import { queryFlag } from '../http/query-flag.ts';
import { forbiddenAction } from '../pipeline/access.ts';
import type { Authorizer, ConnectHandler, ConnectRequest } from '../pipeline/index.ts';
import type { Backends } from './backend.ts';
import { containerName } from './container-name.ts';
import { passOnUpgrade } from './pass-on.ts';

/** The query as kubelets read it. */
function kubeletQuery(query: URLSearchParams): string {
  const out = new URLSearchParams();
  for (const [theirs, ours] of [['stdin', 'input'], ['stdout', 'output'], ['stderr', 'error'], ['tty', 'tty']] as const) if (queryFlag(query, theirs)) out.append(ours, '1');
  for (const command of query.getAll('command')) out.append('command', command);
  const text = out.toString();
  return text ? `?${text}` : '';
}

function nodeOfPod(pod: Pod): string {
  const node = pod.spec?.nodeName;
  if (!node) throw badRequest(`pod ${pod.metadata?.name ?? ''} does not have a host assigned`);
  return node;
}

/** A WebSocket begins with GET, but it does what POST does: it takes the permission to create. */
async function checkCreate(authorize: Authorizer['authorize'], request: ConnectRequest): Promise<void> {
  if (request.info.verb !== 'get') return;
  const info = { ...request.info, verb: 'create' };
  const { decision, reason } = await authorize({ user: request.user, info });
  if (decision !== 'allow') throw forbiddenAction(request.user, info, reason);
}

/** Streams that a kubelet serves for one pod; the API server only joins the connections. */
export function podStreams(options: { backends: Backends; authorize: Authorizer['authorize'] }): ConnectHandler[] {
  const handler = (subresource: string, target: (pod: Pod, request: ConnectRequest) => string): ConnectHandler => ({
    group: '',
    resource: 'pods',
    subresource,
    methods: ['GET', 'POST'],
    async connect(request) {
      const pod = request.object as Pod;
      const node = nodeOfPod(pod);
      const path = target(pod, request);
      if (!request.socket || !upgradeProtocol(request.http)) throw badRequest('Upgrade request required');
      await checkCreate(options.authorize, request);
      await passOnUpgrade(request, await options.backends.kubelet(node), path);
    },
  });
  const at = (pod: Pod, verb: string): string => `/${verb}/${pod.metadata?.namespace ?? ''}/${pod.metadata?.name ?? ''}`;
  const inContainer = (verb: string) => (pod: Pod, { query }: ConnectRequest) => `${at(pod, verb)}/${containerName(pod, query.get('container') ?? '')}${kubeletQuery(query)}`;
  return [
    handler('exec', inContainer('exec')),
    handler('attach', inContainer('attach')),
    handler('portforward', (pod, { query }) => {
      const ports = query.getAll('ports').join(',');
      // To kubelets the parameter is of another name than to clients.
      return `${at(pod, 'portForward')}${ports ? `?${new URLSearchParams({ port: ports })}` : ''}`;
    }),
  ];
}
