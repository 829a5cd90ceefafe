import { rmSync } from 'node:fs';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AdjustableClock } from '@orrery/runtime';
import { type ClockRequest, controlClock } from './clock-control.ts';

export interface ControlTarget {
  readonly clock: AdjustableClock;
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

async function answer(target: ControlTarget, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url !== '/clock') return refuse(response, 404, `there is no ${request.url ?? ''}`);
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(target.clock.read()));
    return;
  }
  const asked = clockRequest(await bodyOf(request).catch(() => undefined));
  if (!asked) return refuse(response, 400, 'not understood: {"action":"speed","factor":N} or {"action":"advance","ms":N}');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  response.writeHead(200, { 'content-type': 'application/jsonl' });
  await controlClock({ ...target, signal: gone.signal }, asked, (progress) => void response.write(`${JSON.stringify(progress)}\n`));
  response.end();
}

/** Listens on a socket in the data directory for what other commands ask of a running cluster. Only this user can connect. */
export async function serveControl(path: string, target: ControlTarget): Promise<{ close(): Promise<void> }> {
  rmSync(path, { force: true });
  const server = createServer((request, response) => void answer(target, request, response));
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
