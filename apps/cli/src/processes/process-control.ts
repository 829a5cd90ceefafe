import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { ProcessSpec } from './supervisor.ts';

/** What can be asked of the processes of a running cluster. */
export interface ProcessOrders {
  /** Restarts everything, one after the other; `step` is told what goes on. */
  upgrade(step: (text: string) => void): Promise<void>;
  /** Ends a process so that another can take its place, until `release`. Throws for a name nobody has. */
  standDown(name: string): Promise<{ readonly spec: ProcessSpec; release(): void }>;
}

/** One line of an answer. The last one of `upgrade` is `done` or `error`. */
export interface ProcessAnswer {
  readonly step?: string;
  readonly done?: boolean;
  readonly error?: string;
  /** Of the process that stands down: the app, and the arguments it ran with. */
  readonly app?: string;
  readonly args?: readonly string[];
}

async function standDown(orders: ProcessOrders, name: string, answer: { response: ServerResponse; tell: (line: ProcessAnswer) => void }): Promise<void> {
  const { spec, release } = await orders.standDown(name);
  // Who asked takes its place as long as it listens.
  if (answer.response.destroyed) return release();
  answer.response.once('close', release);
  answer.tell({ app: spec.app, args: spec.args });
}

async function answer(orders: ProcessOrders, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, order = '', name = ''] = (request.url ?? '').split('/');
  const tell = (line: ProcessAnswer): void => void response.write(`${JSON.stringify(line)}\n`);
  response.writeHead(200, { 'content-type': 'application/jsonl' });
  try {
    if (order === 'stand-down') return await standDown(orders, decodeURIComponent(name), { response, tell });
    if (order !== 'upgrade') throw new Error(`there is no ${request.url ?? ''}`);
    await orders.upgrade((step) => tell({ step }));
    tell({ done: true });
  } catch (error) {
    tell({ error: (error as Error).message });
  }
  response.end();
}

/** Listens on a socket, in a directory that only this user can look into, for orders to the processes of a cluster. */
export async function serveProcessControl(path: string, orders: ProcessOrders): Promise<{ close(): void }> {
  const server: Server = createServer((request, response) => void answer(orders, request, response));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, () => resolve()));
  return {
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
