import type { Container, ExecAction, GRPCAction, HTTPGetAction, Pod, SleepAction, TCPSocketAction } from '@orrery/api/types';
import { Code, RpcError } from '@orrery/rpc';
import type { Clock } from '@orrery/runtime';
import type { CriRuntime } from '../runtime/cri-runtime.ts';
import type { HttpCall, PodNetwork } from './pod-network.ts';

/** What probes and lifecycle hooks have in common. */
export interface Action {
  readonly exec?: ExecAction;
  readonly httpGet?: HTTPGetAction;
  readonly tcpSocket?: TCPSocketAction;
  readonly grpc?: GRPCAction;
  readonly sleep?: SleepAction;
}

export interface ActionTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly containerId: string;
  readonly podIp: string;
}

export interface ActionResult {
  readonly ok: boolean;
  readonly output: string;
  /** It counts as a success, but is told. */
  readonly warning?: boolean;
}

export interface ActionDeps {
  readonly clock: Clock;
  readonly runtime: CriRuntime;
  readonly network: PodNetwork | undefined;
}

/** The number of a port given by number or name. */
export function resolvePort(container: Container, port: string | number): number {
  if (typeof port === 'number') return port;
  const named = container.ports?.find(({ name }) => name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!Number.isInteger(number)) throw new Error(`couldn't find port: "${port}" in container ${container.name}`);
  return number;
}

function networkOf(deps: ActionDeps): PodNetwork {
  if (!deps.network) throw new Error('the kubelet has no way to reach pods');
  return deps.network;
}

const maxRedirects = 10;
const redirects = new Set([301, 302, 303, 307, 308]);

/** Follows redirects that stay on the host; one that leads elsewhere is as good as an answer. */
async function followed(network: PodNetwork, call: HttpCall): Promise<{ status: number; body: string }> {
  for (let at = call, hops = 0; ; hops++) {
    const reply = await network.httpGet(at);
    if (!redirects.has(reply.status) || reply.location === undefined) return reply;
    if (hops === maxRedirects) throw new Error(`Get ${JSON.stringify(reply.location)}: stopped after ${maxRedirects} redirects`);
    const from = new URL(`${at.https ? 'https' : 'http'}://${at.host}${at.target}`);
    const to = URL.parse(reply.location, from.href);
    if (!to || to.hostname !== from.hostname) return reply;
    const https = to.protocol === 'https:';
    at = { ...at, https, target: `${to.pathname}${to.search}`, host: to.host, endpoint: { ip: at.endpoint.ip, port: Number(to.port) || (https ? 443 : 80) } };
  }
}

async function runHttp(action: HTTPGetAction, target: ActionTarget, options: { deps: ActionDeps; timeoutMs: number; userAgent: string }): Promise<ActionResult> {
  const { port, path = '/', scheme = 'HTTP', host, httpHeaders = [] } = action;
  const ip = host || target.podIp;
  const number = resolvePort(target.container, port);
  const given = httpHeaders.map(({ name, value }) => [name, value] as const);
  const hostHeader = given.find(([name]) => name.toLowerCase() === 'host')?.[1];
  const headers = given.filter(([name]) => name.toLowerCase() !== 'host');
  const has = (wanted: string): boolean => headers.some(([name]) => name.toLowerCase() === wanted);
  if (!has('user-agent')) headers.push(['User-Agent', options.userAgent]);
  if (!has('accept')) headers.push(['Accept', '*/*']);
  const call = {
    endpoint: { ip, port: number },
    https: scheme === 'HTTPS',
    target: path.startsWith('/') ? path : `/${path}`,
    host: hostHeader ?? `${ip}:${number}`,
    headers: headers.filter(([, value]) => value !== ''),
    timeoutMs: options.timeoutMs,
  };
  const { status, body } = await followed(networkOf(options.deps), call);
  if (status >= 300 && status < 400) return { ok: true, output: `Probe terminated redirects, Response body: ${body}`, warning: true };
  return status >= 200 && status < 300 ? { ok: true, output: body } : { ok: false, output: `HTTP probe failed with statuscode: ${status}` };
}

async function runExec(action: ExecAction, target: ActionTarget, options: { deps: ActionDeps; timeoutMs: number }): Promise<ActionResult> {
  const seconds = Math.ceil(options.timeoutMs / 1000);
  try {
    const { exitCode, output } = await options.deps.runtime.execSync(target.containerId, action.command ?? [], seconds);
    return { ok: exitCode === 0, output };
  } catch (error) {
    if (error instanceof RpcError && error.code === Code.DEADLINE_EXCEEDED) return { ok: false, output: `command timed out: "${(action.command ?? []).join(' ')}" timed out after ${seconds}s` };
    throw error;
  }
}

/** Carries out one action. Throws when it could not be tried or failed on the way; the message is fit for an event. */
export async function runAction(action: Action, target: ActionTarget, options: { deps: ActionDeps; timeoutMs: number; userAgent: string }): Promise<ActionResult> {
  const { deps, timeoutMs } = options;
  if (action.exec) return runExec(action.exec, target, options);
  if (action.httpGet) return runHttp(action.httpGet, target, options);
  if (action.tcpSocket) {
    const { port, host } = action.tcpSocket;
    await networkOf(deps).tcpConnect({ ip: host || target.podIp, port: resolvePort(target.container, port) }, timeoutMs);
    return { ok: true, output: '' };
  }
  if (action.grpc) {
    const { port, service = '' } = action.grpc;
    const status = await networkOf(deps).grpcHealth({ ip: target.podIp, port }, { service: service ?? '', timeoutMs });
    return status === 'SERVING' ? { ok: true, output: 'service healthy' } : { ok: false, output: `service unhealthy (responded with "${status}")` };
  }
  if (action.sleep) {
    await deps.clock.sleep(action.sleep.seconds * 1000);
    return { ok: true, output: '' };
  }
  throw new Error('missing probe handler');
}
