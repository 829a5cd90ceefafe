import { type ByteStream, forwardedPorts, proxyUpgrade, refuseUpgrade, streamOfSocket } from '@orrery/http';
import type { HttpRequest, RawSocket } from '@orrery/node-io';
import { RpcError } from '@orrery/rpc';
import type { Kubelet } from '../component.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { latestContainer } from '../runtime/pod-runtime.ts';
import { HttpFault } from './reply.ts';

/** Connects to the streaming server of a runtime. */
export type ConnectStreaming = (url: URL) => Promise<ByteStream>;

export interface StreamTarget {
  readonly kubelet: Kubelet;
  readonly worker: PodWorker;
  readonly container: string;
  readonly query: URLSearchParams;
}

function flag(query: URLSearchParams, ...names: string[]): boolean {
  return names.some((name) => ['1', 'true'].includes(query.get(name) ?? ''));
}

function runningContainer({ worker, container }: StreamTarget): string {
  const instance = latestContainer(worker.runtime, container);
  if (instance?.state !== 'running') throw new HttpFault(404, `container not found ("${container}")`);
  return instance.id;
}

/** Options that must not be all off: something has to flow. */
function streams(query: URLSearchParams): { stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean } {
  const tty = flag(query, 'tty');
  const wanted = { stdin: flag(query, 'input', 'stdin'), stdout: flag(query, 'output', 'stdout'), stderr: flag(query, 'error', 'stderr') && !tty, tty };
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) throw new HttpFault(400, 'you must specify at least 1 of stdin, stdout, stderr');
  return wanted;
}

export async function execUrl(target: StreamTarget): Promise<string> {
  const { runtime } = target.kubelet.context.runtime.clients;
  const { url = '' } = await runtime.exec({ containerId: runningContainer(target), cmd: target.query.getAll('command'), ...streams(target.query) });
  return url;
}

export async function attachUrl(target: StreamTarget): Promise<string> {
  const { runtime } = target.kubelet.context.runtime.clients;
  const { url = '' } = await runtime.attach({ containerId: runningContainer(target), ...streams(target.query) });
  return url;
}

/** Only clients of the WebSocket channel protocol say their ports before. */
function portsOf(query: URLSearchParams): number[] {
  try {
    return forwardedPorts(query);
  } catch (error) {
    throw new HttpFault(400, (error as Error).message);
  }
}

export async function portForwardUrl({ kubelet, worker, query }: Omit<StreamTarget, 'container'>): Promise<string> {
  const { sandbox } = worker;
  if (!sandbox) throw new HttpFault(404, `pod "${worker.pod.metadata?.name ?? ''}" is not running`);
  const { url = '' } = await kubelet.context.runtime.clients.runtime.portForward({ podSandboxId: sandbox.id, port: portsOf(query) });
  return url;
}

/** Joins the client with the runtime's streaming server, byte by byte. */
export async function passOn(url: string, request: HttpRequest, options: { socket: RawSocket; connect: ConnectStreaming }): Promise<void> {
  const target = new URL(url);
  const backend = await options.connect(target);
  await proxyUpgrade({ request, client: streamOfSocket(options.socket), backend, target: `${target.pathname}${target.search}`, host: target.host, dropHeaders: ['authorization'] });
}

/** Turns what went wrong before the upgrade into a plain refusal. */
export async function refuse(socket: RawSocket, error: unknown): Promise<void> {
  const status = error instanceof HttpFault ? error.code : error instanceof RpcError ? 500 : 502;
  const reasons: Record<number, string> = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 500: 'Internal Server Error', 502: 'Bad Gateway' };
  await refuseUpgrade(streamOfSocket(socket), { status, reason: reasons[status] ?? 'Error', message: (error as Error).message });
}
