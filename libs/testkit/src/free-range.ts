import { createServer } from 'node:net';

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** The first of `count` ports of the loopback interface in a row that nobody listens on, from `from` on. */
export async function freeRange(from: number, count: number): Promise<number> {
  let start = from;
  for (let port = start; port < start + count; port++) {
    if (port > 32_000) throw new Error(`no ${count} free ports in a row from ${from} on`);
    if (!(await listens(port))) start = port + 1;
  }
  return start;
}
