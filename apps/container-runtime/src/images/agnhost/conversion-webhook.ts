import { type HttpReply, type HttpRequest, serveHttp } from '../../net/http-server.ts';
import type { Command } from './flags.ts';
import { forever } from './forever.ts';
import { tlsFromFlags } from './tls-flags.ts';

type CustomResource = Readonly<Record<string, unknown>> & { readonly apiVersion?: string };

interface ConversionReview {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly request?: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects?: readonly CustomResource[] };
}

/** An object that cannot be converted; the message goes into the response. */
class ConversionFault extends Error {}

const [v1, v2] = ['stable.example.com/v1', 'stable.example.com/v2'];

/** Version 1 has `hostPort`, version 2 the same in two fields. */
function converted(object: CustomResource, to: string): CustomResource {
  const { apiVersion: from = '', hostPort, host, port, ...rest } = object;
  if (from === to) throw new ConversionFault(`conversion from a version to itself should not call the webhook: ${to}`);
  if (from !== v1 && from !== v2) throw new ConversionFault(`unexpected conversion version ${JSON.stringify(from)}`);
  if (to !== v1 && to !== v2) throw new ConversionFault(`unexpected conversion version ${JSON.stringify(to)}`);
  if (to === v2) {
    if (hostPort === undefined) return { ...rest, apiVersion: to };
    const parts = String(hostPort).split(':');
    if (parts.length !== 2) throw new ConversionFault(`invalid hostPort value \`${String(hostPort)}\``);
    return { ...rest, apiVersion: to, host: parts[0], port: parts[1] };
  }
  return host === undefined && port === undefined ? { ...rest, apiVersion: to } : { ...rest, apiVersion: to, hostPort: `${String(host ?? '')}:${String(port ?? '')}` };
}

function respond({ uid, desiredAPIVersion, objects = [] }: NonNullable<ConversionReview['request']>): object {
  try {
    return { uid, convertedObjects: objects.map((object) => converted(object, desiredAPIVersion)), result: { metadata: {}, status: 'Success' } };
  } catch (error) {
    if (!(error instanceof ConversionFault)) throw error;
    return { uid, convertedObjects: [], result: { metadata: {}, status: 'Failure', message: error.message } };
  }
}

async function convert(request: HttpRequest): Promise<HttpReply> {
  const refused = (message: string): HttpReply => ({ status: 400, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: `${message}\n` });
  const type = request.headers['content-type'] ?? '';
  if (type !== 'application/json') return refused(`invalid Content-Type header \`${type}\``);
  const body = (await request.body()).toString();
  let review: ConversionReview;
  try {
    review = JSON.parse(body) as ConversionReview;
  } catch (error) {
    return refused(`failed to deserialize body (${body}) with error ${(error as Error).message}`);
  }
  const { kind, apiVersion = '' } = review;
  if (kind !== 'ConversionReview' || !/^apiextensions\.k8s\.io\/v1(?:beta1)?$/.test(apiVersion) || !review.request) return refused(`Unsupported group version kind: ${apiVersion}, Kind=${kind ?? ''}`);
  return { status: 200, headers: [['Content-Type', 'application/json']], body: JSON.stringify({ kind, apiVersion, response: respond(review.request) }) };
}

/** A conversion webhook for the custom resources of tests. */
export const conversionWebhook: Command = async (proc, flags) => {
  const secure = await tlsFromFlags(proc, flags);
  serveHttp(proc, { ip: '', port: flags.number('port', 443), secure }, (request) => {
    if (request.path === '/crdconvert') return convert(request);
    return request.path === '/readyz' ? { status: 200, body: 'ok' } : { status: 404, body: '404 page not found\n' };
  });
  return forever(proc);
};
