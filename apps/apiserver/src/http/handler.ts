import { StatusError, toStatusError, tooLarge } from '@orrery/errors';
import { BodyTooLargeError, type HttpHandler, type HttpRequest, type HttpResponse, type RawSocket } from '@orrery/node-io/http-server';
import { latencyBuckets } from '@orrery/runtime';
import { type UserInfo, anonymousUser } from '../pipeline/request-info.ts';
import { actingUser, authenticated, checkAllowed } from '../pipeline/access.ts';
import type { ApiServerCore } from '../server.ts';
import { auditIdOf, auditRefusal, beginAudit } from './audit.ts';
import { serveConnect } from './connect.ts';
import { Exchange } from './exchange.ts';
import { serveNonResource } from './non-resource.ts';
import { type ParsedRequest, parseRequest } from './request-path.ts';
import { serveResource } from './resource.ts';
import { upgradeExchange } from './upgrade.ts';

const longRunningSubresources = new Set(['exec', 'attach', 'portforward', 'log', 'proxy']);

function isLongRunning({ info }: ParsedRequest): boolean {
  return info.verb === 'watch' || longRunningSubresources.has(info.subresource);
}

function failureOf(error: unknown): StatusError {
  if (error instanceof BodyTooLargeError) return tooLarge('Request entity too large: limit is 3145728');
  return toStatusError(error);
}

/** The REST front end: one request from its head to its audit record. */
export function httpHandler(core: ApiServerCore): HttpHandler {
  const { env } = core.registry;
  const total = env.metrics.counter('apiserver_request_total', 'Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.');
  const duration = env.metrics.histogram('apiserver_request_duration_seconds', 'Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.', latencyBuckets);
  const inFlight = env.metrics.gauge('apiserver_longrunning_requests', 'Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.');
  let longRunning = 0;

  const finish = (parsed: ParsedRequest, exchange: Exchange, at: { startedMs: number; from: number; user: UserInfo }): void => {
    const { info, query } = parsed;
    const scope = info.name ? 'resource' : info.namespace ? 'namespace' : info.isResource ? 'cluster' : '';
    const labels = { verb: info.verb.toUpperCase(), dry_run: query.get('dryRun') ?? '', group: info.group, version: info.version, resource: info.resource, subresource: info.subresource, scope, component: 'apiserver' };
    total.inc({ ...labels, code: String(exchange.code) });
    if (!isLongRunning(parsed)) duration.observe((env.clock.monotonic() - at.from) / 1000, labels);
    exchange.audit?.completed(exchange.code);
  };

  const serve = async (exchange: Exchange, socket: RawSocket | undefined): Promise<void> => {
    const { request } = exchange;
    const parsed = parseRequest(request.method, request.url);
    const at = { startedMs: env.clock.now(), from: env.clock.monotonic(), user: anonymousUser as UserInfo };
    const long = isLongRunning(parsed);
    if (long) inFlight.set(++longRunning);
    try {
      const { certificate } = request;
      const credentials = { headers: request.headers, remoteAddress: request.remoteAddress, path: parsed.info.path, annotate: (key: string, value: string) => void (exchange.annotations[key] = value), warn: (text: string) => exchange.warn(text), ...(certificate ? { certificate } : {}) };
      const start = { exchange, parsed, isLongRunning: long, receivedMs: at.startedMs };
      const sender = await authenticated(core.access, credentials, parsed.info).catch((error: unknown) => {
        auditRefusal(core, start, error);
        throw error;
      });
      if (core.audit) await beginAudit(core, start, sender);
      at.user = await actingUser(core.access, sender, { headers: request.headers, info: parsed.info });
      exchange.audit?.actsAs(at.user);
      await route(core, { exchange, parsed, user: at.user, socket, long });
    } catch (error) {
      const failure = failureOf(error);
      if (failure.code >= 500 && !(error instanceof StatusError)) {
        env.log.error('request failed', { error, path: parsed.info.path });
        exchange.auditPanic(error);
      }
      exchange.sendStatus(failure.status);
    } finally {
      if (long) inFlight.set(--longRunning);
      finish(parsed, exchange, at);
    }
  };

  return {
    request: (request: HttpRequest, response: HttpResponse) => serve(new Exchange(request, response, auditIdOf(request) || env.random.uuid()), undefined),
    upgrade: (request: HttpRequest, socket: RawSocket) => serve(upgradeExchange(request, socket, auditIdOf(request) || env.random.uuid()), socket),
  };
}

interface Routed {
  readonly exchange: Exchange;
  readonly parsed: ParsedRequest;
  readonly user: UserInfo;
  readonly socket: RawSocket | undefined;
  readonly long: boolean;
}

async function route(core: ApiServerCore, routed: Routed): Promise<void> {
  const { exchange, parsed, user, socket } = routed;
  const { info, query } = parsed;
  const ticket = core.flowControl ? await core.flowControl.acquire({ user, info, signal: exchange.request.signal }) : undefined;
  if (ticket) exchange.setHeaders(ticket.headers);
  // Watches and streams hold their seat only while they begin.
  if (routed.long) ticket?.release();
  try {
    const selectors = { fieldSelector: query.get('fieldSelector') ?? undefined, labelSelector: query.get('labelSelector') ?? undefined };
    await checkAllowed(core.access, {
      user,
      info,
      ...(exchange.audit ? { annotate: (key: string, value: string) => exchange.annotate(key, value) } : {}),
      ...(selectors.fieldSelector ? { fieldSelector: selectors.fieldSelector } : {}),
      ...(selectors.labelSelector ? { labelSelector: selectors.labelSelector } : {}),
    });
    if (!info.isResource) return await serveNonResource(core, exchange, parsed);
    const handler = core.connect.find((h) => h.group === info.group && h.resource === info.resource && h.subresource === info.subresource);
    if (handler) return await serveConnect(core, handler, { exchange, parsed, user, socket });
    return await serveResource(core, { exchange, parsed, user });
  } finally {
    if (!routed.long) ticket?.release();
  }
}
