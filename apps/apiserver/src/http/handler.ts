import { StatusError, toStatusError, tooLarge } from '@orrery/errors';
import { BodyTooLargeError, type HttpHandler, type HttpRequest, type HttpResponse, type RawSocket } from '@orrery/node-io/http-server';
import type { Clock, Timer } from '@orrery/runtime';
import { certificateRoles } from '../authentication/request-header.ts';
import { serveFaulted } from '../chaos/faulted.ts';
import type { UserInfo } from '../pipeline/request-info.ts';
import { actingUser, authenticated, checkAllowed } from '../pipeline/access.ts';
import { RequestMetrics, type RequestShape } from '../metrics/request-metrics.ts';
import { FlowRefusal, type FlowTicket } from '../pipeline/flow-control.ts';
import { outOfTime } from '../pipeline/out-of-time.ts';
import type { ApiServerCore } from '../server.ts';
import { auditIdOf, auditRefusal, beginAudit } from './audit.ts';
import { serveConnect } from './connect.ts';
import { deadlineMs } from './deadline.ts';
import { Exchange } from './exchange.ts';
import { serveNonResource } from './non-resource.ts';
import { type ParsedRequest, parseRequest } from './request-path.ts';
import { serveResource } from './resource.ts';
import { TrackedResponse } from './tracked-response.ts';
import { upgradeResponse } from './upgrade.ts';

const longRunningSubresources = new Set(['exec', 'attach', 'portforward', 'log', 'proxy']);

function isLongRunning({ info }: ParsedRequest): boolean {
  return info.verb === 'watch' || longRunningSubresources.has(info.subresource);
}

function failureOf(error: unknown): StatusError {
  if (error instanceof BodyTooLargeError) return tooLarge('Request entity too large: limit is 3145728');
  return toStatusError(error);
}

interface Run {
  readonly exchange: Exchange;
  readonly reply: TrackedResponse;
  readonly parsed: ParsedRequest;
  readonly socket: RawSocket | undefined;
  readonly long: boolean;
  readonly startedMs: number;
  /** What it holds of the server's capacity. */
  ticket?: FlowTicket;
  /** Milliseconds it waited for its turn. */
  waitedMs: number;
}

/** Does the work within its time; afterwards nobody waits for it, and what can be cancelled is. Throws 504. */
async function withinDeadline(clock: Clock, { exchange, parsed }: Run, limit: { readonly maxMs: number; readonly work: () => Promise<void> }): Promise<void> {
  const ms = deadlineMs(parsed.query, limit.maxMs);
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = clock.after(ms, () => {
      reject(outOfTime);
      exchange.cancel(outOfTime);
    });
  });
  try {
    await Promise.race([limit.work(), expired]);
  } finally {
    timer?.cancel();
  }
}

/** The REST front end: one request from its head to its audit record. */
export function httpHandler(core: ApiServerCore): HttpHandler {
  const { env, config } = core.registry;
  const { goawayChance, requestMs: maxMs } = core.limits;
  const { clock } = env;
  const metrics = new RequestMetrics(env, core.kinds);
  const rolesOf = certificateRoles(config, () => clock.now());

  const identifyAndRoute = async (run: Run): Promise<void> => {
    const { exchange, parsed, long, startedMs } = run;
    const { request } = exchange;
    const { certificate } = request;
    const credentials = { headers: request.headers, remoteAddress: request.remoteAddress, path: parsed.info.path, annotate: (key: string, value: string) => exchange.annotate(key, value), warn: (text: string) => exchange.warn(text), ...(certificate ? rolesOf(certificate) : {}) };
    const start = { exchange, parsed, isLongRunning: long, receivedMs: startedMs };
    const sender = await authenticated(core.access, credentials, parsed.info).catch((error: unknown) => {
      auditRefusal(core, start, error);
      throw error;
    });
    if (core.audit) await beginAudit(core, start, sender);
    const user = await actingUser(core.access, sender, { headers: request.headers, info: parsed.info });
    exchange.audit?.actsAs(user);
    await route(core, run, user);
  };

  const fail = ({ exchange, parsed, reply }: Run, shape: RequestShape, error: unknown): void => {
    if (error instanceof FlowRefusal) {
      metrics.terminated(shape, 429);
      exchange.setHeaders({ ...error.headers, 'retry-after': String(error.retryAfterSeconds) });
      return exchange.sendText(429, `${error.message}\n`);
    }
    const failure = failureOf(error);
    if (failure.code >= 500 && !(error instanceof StatusError)) {
      env.log.error('request failed', { error, path: parsed.info.path });
      exchange.auditPanic(error);
    }
    if (error === outOfTime) metrics.aborted(shape);
    if (error === outOfTime && reply.status === 0) metrics.terminated(shape, 504);
    exchange.sendStatus(failure.status);
  };

  const serve = async (exchange: Exchange, reply: TrackedResponse, socket: RawSocket | undefined): Promise<void> => {
    const { request } = exchange;
    const parsed = parseRequest(request.method, request.url);
    const from = clock.monotonic();
    // What another server has taken an upgrade of may last.
    const long = isLongRunning(parsed) || (socket !== undefined && core.aggregation?.serves(parsed.info.path) === true);
    const run: Run = { exchange, reply, parsed, socket, long, startedMs: clock.now(), waitedMs: 0 };
    const shape = metrics.shapeOf(parsed, exchange.header('content-type'));
    const ended = core.traffic.begin(exchange, long);
    if (long) metrics.long(shape, 1);
    if (core.traffic.isDraining || (goawayChance > 0 && env.random.next() < goawayChance)) reply.retire();
    try {
      if (long) await identifyAndRoute(run);
      else await withinDeadline(clock, run, { maxMs, work: () => identifyAndRoute(run) });
    } catch (error) {
      fail(run, shape, error);
    } finally {
      run.ticket?.release();
      if (long) metrics.long(shape, -1);
      const code = reply.status || exchange.code;
      const tookMs = clock.monotonic() - from;
      metrics.finished(shape, { code, bytes: reply.bytes, seconds: tookMs / 1000, isLongRunning: long, waitedSeconds: run.waitedMs / 1000 });
      if (env.log.isDebugging?.()) env.log.debug('answered a request', { verb: parsed.info.verb, url: exchange.request.url, code, tookMs, from: exchange.request.remoteAddress, userAgent: exchange.header('user-agent') });
      exchange.audit?.completed(code);
      ended();
    }
  };

  const auditId = (request: HttpRequest): string => auditIdOf(request) || env.random.uuid();
  return {
    request(request: HttpRequest, response: HttpResponse) {
      const reply = new TrackedResponse(response);
      return serve(new Exchange(request, reply, auditId(request)), reply, undefined);
    },
    upgrade(request: HttpRequest, socket: RawSocket) {
      const reply = new TrackedResponse(upgradeResponse(socket));
      return serve(new Exchange(request, reply, auditId(request)), reply, socket);
    },
  };
}

/** Waits for the turn of a request. Streams but for watches are not counted, as upstream. */
async function takeTurn({ flowControl, registry, limits }: ApiServerCore, run: Run, user: UserInfo): Promise<void> {
  const { exchange, parsed, long } = run;
  const { info, query } = parsed;
  if (!flowControl || (long && info.verb !== 'watch')) return;
  const { clock } = registry.env;
  const from = clock.monotonic();
  const asked = flowControl.acquire({ user, info, query, signal: () => exchange.signal, ...(long ? {} : { timeoutMs: deadlineMs(query, limits.requestMs) }) });
  const ticket = asked instanceof Promise ? await asked : asked;
  if (asked !== ticket) run.waitedMs = clock.monotonic() - from;
  // Out of time while it waited.
  run.ticket = ticket;
  if (exchange.isCancelled) throw outOfTime;
  exchange.setHeaders(ticket.headers);
  // A watch holds its seat while it begins.
  if (long) run.reply.onBegin = () => ticket.release();
}

/** Hands the request to the server behind its APIService. */
async function serveRemote(core: ApiServerCore, { exchange, socket }: Run, user: UserInfo): Promise<void> {
  const { request, response, auditId } = exchange;
  await core.aggregation?.serve({
    http: request,
    ...(socket ? { socket } : { response }),
    signal: exchange.signal,
    user,
    auditId,
    headers: exchange.ownHeaders,
    onStatus: (code) => void (exchange.code = code),
  });
}

async function route(core: ApiServerCore, run: Run, user: UserInfo): Promise<void> {
  const { exchange, parsed, socket } = run;
  const { info, query } = parsed;
  await takeTurn(core, run, user);
  const isRemote = core.aggregation?.serves(info.path) ?? false;
  // What another server works on holds no seat.
  if (isRemote) run.ticket?.release();
  const selectors = { fieldSelector: query.get('fieldSelector') ?? undefined, labelSelector: query.get('labelSelector') ?? undefined };
  await checkAllowed(core.access, {
    user,
    info,
    ...(exchange.audit ? { annotate: (key: string, value: string) => exchange.annotate(key, value) } : {}),
    ...(selectors.fieldSelector ? { fieldSelector: selectors.fieldSelector } : {}),
    ...(selectors.labelSelector ? { labelSelector: selectors.labelSelector } : {}),
  });
  if (isRemote) return serveRemote(core, run, user);
  if (!info.isResource) return serveNonResource(core, exchange, parsed);
  const handler = core.connect.find((h) => h.group === info.group && h.resource === info.resource && h.subresource === info.subresource);
  if (handler) return serveConnect(core, handler, { exchange, parsed, user, socket });
  const over = info.verb === 'watch' ? core.flowControl?.watching(info, selectors.fieldSelector ?? '') : undefined;
  try {
    const { registry } = core;
    if (registry.faults.active) return await serveFaulted(registry, { exchange, user, info }, (told) => serveResource(core, { exchange: told, parsed, user, socket }));
    return await serveResource(core, { exchange, parsed, user, socket });
  } finally {
    over?.();
  }
}
