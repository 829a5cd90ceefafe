import type { Pod } from '@orrery/api/types';
import { type FieldError, type StatusError, badRequest, fieldError, internalError, invalid, notFound } from '@orrery/errors';
import type { ExchangeReply } from '@orrery/http';
import { queryFlag } from '../http/query-flag.ts';
import type { ConnectHandler, ConnectRequest } from '../pipeline/index.ts';
import type { Backends } from './backend.ts';
import { containerName } from './container-name.ts';
import { ask, relay } from './pass-on.ts';

const plain = { 'content-type': 'text/plain; charset=utf-8' };
const maxErrorBytes = 2048;

/** Checks the options as upstream does and passes them on under the same names. */
function logQuery(query: URLSearchParams, pod: string): string {
  const out = new URLSearchParams();
  const errors: FieldError[] = [];
  for (const name of ['follow', 'previous', 'timestamps']) if (queryFlag(query, name)) out.append(name, 'true');
  for (const [name, least] of [['sinceSeconds', 1], ['tailLines', 0], ['limitBytes', 1]] as const) {
    const text = query.get(name);
    if (text === null) continue;
    const value = Number(text);
    if (!Number.isInteger(value) || value < least) errors.push(fieldError.invalid(name, Number.isNaN(value) ? text : value, least ? 'must be greater than 0' : 'must be greater than or equal to 0'));
    else out.append(name, text);
  }
  const since = query.get('sinceTime');
  if (since !== null && out.has('sinceSeconds')) errors.push(fieldError.forbidden('sinceSeconds', 'at most one of sinceTime or sinceSeconds may be specified'));
  else if (since !== null) out.append('sinceTime', since);
  const stream = query.get('stream');
  if (stream !== null && !['All', 'Stdout', 'Stderr'].includes(stream)) errors.push(fieldError.notSupported('stream', stream, ['All', 'Stderr', 'Stdout']));
  else if (stream !== null) out.append('stream', stream);
  if (errors.length) throw invalid({ group: '', kind: 'PodLogOptions', name: pod }, errors);
  const text = out.toString();
  return text ? `?${text}` : '';
}

/** A kubelet's refusal as the client shall see it. */
async function refusal(reply: ExchangeReply, pod: string): Promise<StatusError> {
  let text = '';
  for await (const bytes of reply.body) {
    text += Buffer.from(bytes).toString('utf8');
    if (text.length > maxErrorBytes) break;
  }
  if (reply.status === 400) return badRequest(text.trim());
  if (reply.status === 404) return notFound({ group: '', resource: 'pods/log', name: pod });
  return internalError(new Error(text.trim() || `the kubelet answered ${reply.status}`));
}

/** GET pods/NAME/log. */
export function podLog(backends: Backends): ConnectHandler {
  return {
    group: '',
    resource: 'pods',
    subresource: 'log',
    methods: ['GET'],
    async connect(request: ConnectRequest) {
      const pod = request.object as Pod;
      const { name = '', namespace = '' } = pod.metadata ?? {};
      const query = logQuery(request.query, name);
      const container = containerName(pod, request.query.get('container') ?? '');
      const node = pod.spec?.nodeName;
      if (!node) {
        // Not on a node yet: there are no lines, which is no error.
        request.response?.send(200, plain, '');
        return;
      }
      const reply = await ask(request, await backends.kubelet(node), { target: `/containerLogs/${namespace}/${name}/${container}${query}` });
      if (reply.status >= 400) throw await refusal(reply, name);
      await relay(request, reply, plain);
    },
  };
}
