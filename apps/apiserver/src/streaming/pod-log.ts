import type { Pod } from '@orrery/api/types';
import { type FieldError, type StatusError, badRequest, fieldError, internalError, invalid, notFound } from '@orrery/errors';
import { type ExchangeReply, acceptWebSocket, frameByFrame, streamOfSocket } from '@orrery/http';
import { queryFlag } from '../http/query-flag.ts';
import type { ConnectHandler, ConnectRequest } from '../pipeline/index.ts';
import type { Backends } from './backend.ts';
import { containerName } from './container-name.ts';
import { ask, relay } from './pass-on.ts';

const plain = { 'content-type': 'text/plain; charset=utf-8' };
const maxErrorBytes = 2048;

const numbers = ['tailLines', 'limitBytes', 'sinceSeconds'] as const;
const streams = ['All', 'Stderr', 'Stdout'];

/** What is no number or time at all is refused before anything else is looked at. */
function readNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^[-+]?\d+$/.test(text)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function readTime(query: URLSearchParams): string | undefined {
  const text = query.get('sinceTime');
  if (text && Number.isNaN(Date.parse(text))) throw badRequest(`parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(text)} as "2006"`);
  return text || undefined;
}

/** In upstream's order; what concerns several options has no path. */
function optionErrors({ tailLines, limitBytes, sinceSeconds, sinceTime, stream }: { [K in (typeof numbers)[number]]?: number | undefined } & { sinceTime: string | undefined; stream: string | undefined }): FieldError[] {
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0) errors.push(fieldError.invalid('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1) errors.push(fieldError.invalid('limitBytes', limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== undefined) errors.push(fieldError.forbidden('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1) errors.push(fieldError.invalid('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  if (stream !== undefined && !streams.includes(stream)) errors.push(fieldError.notSupported('stream', stream, streams));
  if (stream !== undefined && stream !== 'All' && tailLines !== undefined) errors.push(fieldError.forbidden('[]', '`tailLines` and specific `stream` are mutually exclusive for now'));
  return errors;
}

/** Checks the options as upstream does and passes them on under the same names. */
export function logQuery(query: URLSearchParams, pod: string): string {
  const out = new URLSearchParams();
  for (const name of ['follow', 'previous', 'timestamps']) if (queryFlag(query, name)) out.append(name, 'true');
  const [tailLines, limitBytes, sinceSeconds] = numbers.map((name) => readNumber(query, name));
  const options = { tailLines, limitBytes, sinceSeconds, sinceTime: readTime(query), stream: query.get('stream') ?? undefined };
  const errors = optionErrors(options);
  if (errors.length) throw invalid({ group: '', kind: 'PodLogOptions', name: pod }, errors);
  for (const [name, value] of Object.entries(options)) if (value !== undefined) out.append(name, String(value));
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

/** What a client may ask a log for over a WebSocket; without a choice the frames are binary. */
const logProtocols = ['', 'binary.k8s.io', 'base64.binary.k8s.io'];

/** Sends a log as messages of a WebSocket, as it arrives, and closes it at the end. */
async function sendMessages({ http, socket }: Pick<ConnectRequest, 'http' | 'socket'>, body: AsyncIterable<Uint8Array>): Promise<void> {
  if (!socket) return;
  const stream = frameByFrame(streamOfSocket(socket), () => socket.flushed());
  const accepted = await acceptWebSocket(http, { stream, protocols: logProtocols });
  if (!accepted) return;
  const { socket: messages, protocol } = accepted;
  const isText = protocol.startsWith('base64.');
  let gone = false;
  // Nothing is expected of the client but its leave.
  const listening = (async () => {
    while (await messages.receive()) continue;
  })()
    .catch(() => undefined)
    .then(() => {
      gone = true;
      stream.close();
    });
  try {
    for await (const bytes of body) await (isText ? messages.send(Buffer.from(Buffer.from(bytes).toString('base64')), 'text') : messages.send(bytes));
    await messages.close(1000);
  } catch (error) {
    stream.close();
    if (!gone) throw error;
  }
  await listening;
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
        if (request.socket) await sendMessages(request, (async function* () {})());
        else request.response?.send(200, plain, '');
        return;
      }
      const reply = await ask(request, await backends.kubelet(node), { target: `/containerLogs/${namespace}/${name}/${container}${query}` });
      if (reply.status >= 400) throw await refusal(reply, name);
      if (request.socket) await sendMessages(request, reply.body);
      else await relay(request, reply, plain);
    },
  };
}
