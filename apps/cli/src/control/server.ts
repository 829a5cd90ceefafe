import { rmSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { ChaosHost } from '../chaos/chaos-host.ts';
import { type NodeControl, nodeRequest } from '../single/added-nodes.ts';
import { type ClockControl, type ClockRequest, controlClock } from './clock-control.ts';

export interface ControlTarget {
  /** Absent where components are processes of their own: they go by the machine's. */
  readonly clock?: ClockControl;
  /** Absent where nodes are processes of their own. */
  readonly nodes?: NodeControl | undefined;
  readonly chaos: ChaosHost;
  /** The cluster's data directory. */
  readonly root: string;
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown;
}

function refuse(response: ServerResponse, code: number, message: string): void {
  response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify({ error: message }));
}

function clockRequest(body: unknown): ClockRequest | undefined {
  const { action, factor, ms } = (body ?? {}) as { action?: unknown; factor?: unknown; ms?: unknown };
  if (action === 'speed' && typeof factor === 'number') return { action, factor };
  return action === 'advance' && typeof ms === 'number' ? { action, ms } : undefined;
}

async function answerChaos({ chaos }: ControlTarget, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = (body: object): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (request.method === 'GET') return reply(chaos.report());
  const { action, names } = ((await bodyOf(request).catch(() => undefined)) ?? {}) as { action?: unknown; names?: unknown };
  if (action === 'enable') {
    await chaos.enable();
    return reply({});
  }
  const chosen = Array.isArray(names) ? names.map(String) : undefined;
  if (action === 'end') return reply({ ended: await chaos.end(chosen) });
  refuse(response, 400, 'not understood: {"action":"enable"} or {"action":"end","names":["…"]}');
}

async function answerNodes(nodes: NodeControl, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const reply = (body: object): void => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  if (request.method === 'GET') return reply({ nodes: await nodes.list() });
  const asked = nodeRequest(await bodyOf(request).catch(() => undefined));
  if (!asked) return refuse(response, 400, 'not understood: {"action":"add","node":{…}} or {"action":"remove","name":"…"}');
  if (asked.action === 'add') return reply({ name: await nodes.add(asked.node) });
  await nodes.remove(asked.name);
  reply({ name: asked.name });
}

async function answer(target: ControlTarget, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/nodes' && target.nodes) return answerNodes(target.nodes, request, response);
  if (request.url === '/chaos') return answerChaos(target, request, response);
  if (request.url !== '/clock' || !target.clock) return refuse(response, 404, `there is no ${request.url ?? ''}`);
  const { clock } = target;
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(clock.read()));
    return;
  }
  const asked = clockRequest(await bodyOf(request).catch(() => undefined));
  if (!asked) return refuse(response, 400, 'not understood: {"action":"speed","factor":N} or {"action":"advance","ms":N}');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'application/jsonl' });
  await controlClock({ clock, root: target.root, signal: gone.signal }, asked, (progress) => void response.write(`${JSON.stringify(progress)}\n`));
  response.end();
}

/** Listens on a socket in the data directory for what other commands ask of a running cluster. Only this user can connect. */
export async function serveControl(path: string, target: ControlTarget): Promise<{ close(): Promise<void> }> {
  rmSync(path, { force: true });
  const server = createServer((request, response) => void answer(target, request, response).catch((error: unknown) => refuse(response, 500, (error as Error).message)));
  const before = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, () => resolve()));
  } finally {
    process.umask(before);
  }
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
