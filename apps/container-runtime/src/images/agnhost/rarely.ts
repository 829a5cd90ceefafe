import { parseQuantity, quantityValue } from '@orrery/apimachinery';
import { NetError, parseIp } from '@orrery/vnet';
import { httpCall } from '../../net/http-client.ts';
import { type HttpReply, serveHttp } from '../../net/http-server.ts';
import { type Command, goDuration } from './flags.ts';
import { forever } from './forever.ts';
import { goFatal, goLog } from './go-text.ts';

const notFound: HttpReply = { status: 404, body: '404 page not found\n' };

/** As `git clone` sees it an empty repository; to everyone else it says what it is. */
export const fakeGitServer: Command = async (proc) => {
  serveHttp(proc, { ip: '', port: 8000 }, ({ path }): HttpReply => {
    if (path === '/') return { status: 200, body: 'I am a fake git server' };
    if (path !== '/info/refs') return notFound;
    const service = '# service=git-upload-pack\n';
    const line = (text: string): string => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
    return { status: 200, headers: [['Content-Type', 'application/x-git-upload-pack-advertisement'], ['Cache-Control', 'no-cache']], body: `${line(service)}0000${line(`${'0'.repeat(40)} capabilities^{}\0\n`)}0000` };
  });
  return forever(proc);
};

/** Prints the audit events that are sent to it, one a line. */
export const auditProxy: Command = async (proc) => {
  serveHttp(proc, { ip: '', port: 8080 }, async (request) => {
    let events: readonly object[];
    try {
      events = (JSON.parse((await request.body()).toString()) as { items?: readonly object[] }).items ?? [];
    } catch (error) {
      await goLog(proc, `could not decode request: ${(error as Error).message}`);
      return { status: 400, body: '' };
    }
    for (const event of events) await proc.out(`${JSON.stringify(event)}\n`);
    return { status: 200, body: '' };
  });
  return forever(proc);
};

/** Whether a call to an address outside is seen with the pod's own address: the other end tells which it saw. */
export const noSnatTest: Command = async (proc, flags) => {
  const port = flags.number('port', 8080);
  const own = proc.env.get('POD_IP') ?? proc.net.stack.ips[0] ?? '';
  serveHttp(proc, { ip: '', port }, async ({ path, query, remote }) => {
    if (path === '/whoami') return { status: 200, body: remote.ip };
    if (path !== '/checknosnat') return notFound;
    const addresses = (query.get('ips') ?? '').split(',').filter(Boolean);
    for (const address of addresses) {
      const host = parseIp(address)?.family === 6 ? `[${address}]` : address;
      try {
        const reply = await httpCall(proc, { url: new URL(`http://${host}/whoami`), timeoutMs: 5000 });
        const chunks: Uint8Array[] = [];
        for await (const bytes of reply.body) chunks.push(bytes);
        const seen = Buffer.concat(chunks).toString();
        if (seen !== own) return { status: 417, body: `Source IP of the request to ${address} was ${seen}, not ${own}\n` };
      } catch (error) {
        if (!(error instanceof NetError)) throw error;
        return { status: 500, body: `Get ${JSON.stringify(`http://${host}/whoami`)}: ${error.message}\n` };
      }
    }
    return { status: 200, body: '' };
  });
  await goLog(proc, `Serving on ":${port}".`);
  return forever(proc);
};

/** Takes connections and resets them. */
export const tcpReset: Command = async (proc, flags) => {
  const port = flags.number('port', 8080);
  proc.net.listen({ ip: '', port }, (conn) => conn.close(new NetError('ECONNRESET', 'connection reset by peer')));
  await goLog(proc, `Server listening on :${port}`);
  return forever(proc);
};

/** More steps of allocation than this are taken together. */
const mostSteps = 256;

/** Holds as much memory as asked, allocated step by step, and keeps as many CPUs busy. Ends only when told to. */
export const stress: Command = async (proc, flags) => {
  const total = flags.get('mem-total') ?? '0';
  const step = flags.get('mem-alloc-size') ?? '4Ki';
  const pause = flags.get('mem-alloc-sleep') ?? '1ms';
  const cpus = flags.number('cpus', 0);
  const [totalBytes, stepBytes] = [total, step].map((quantity) => quantityValue(parseQuantity(quantity))) as [number, number];
  await goLog(proc, `Allocating ${JSON.stringify(total)} memory, in ${JSON.stringify(step)} chunks, with a ${pause} sleep between allocations`);
  const { load } = proc.host;
  if (cpus > 0) load.burn(cpus, Infinity);
  for (let i = 0; i < cpus; i++) await goLog(proc, 'Spawning a thread to consume CPU');
  const steps = Math.max(1, Math.ceil(totalBytes / Math.max(1, stepBytes)));
  const chunks = Math.min(steps, mostSteps);
  for (let i = 0; i < chunks && totalBytes > 0; i++) {
    load.hold(totalBytes / chunks, Infinity);
    await proc.sleep((goDuration(pause) * steps) / chunks);
  }
  await goLog(proc, `Allocated ${JSON.stringify(total)} memory`);
  return forever(proc);
};

/** A single-sided close: the client half-closes and waits until the server has sent what it had to. */
export const netRunner: Command = async (proc, flags) => {
  const runner = flags.get('runner') ?? '';
  const serve = flags.get('serve');
  if (serve !== undefined) {
    serveHttp(proc, { ip: '', port: Number(serve.split(':').at(-1)) }, () => ({ status: 404, body: 'no such runner\n' }));
    return forever(proc);
  }
  const options = flags.get('options') ?? '{}';
  const target = /"(?:LocalAddr|RemoteAddr)"\s*:\s*"(?:\[([^\]]+)\]|([^:"]*)):(\d+)"/.exec(options);
  if (!target) return goFatal(proc, `Runner ${runner} got no address in its options: ${options}`);
  const at = { ip: target[1] ?? target[2] ?? '', port: Number(target[3]) };
  if (runner === 'nat-closewait-server') {
    await goLog(proc, `Server listening on ${at.ip}:${at.port}`);
    return new Promise((resolve) => {
      proc.net.listen({ ip: at.ip === '0.0.0.0' ? '' : at.ip, port: at.port }, (conn) => {
        // The connection stays half-closed for a minute, as conntrack's time-out for CLOSE_WAIT is.
        const hold = async (): Promise<number> => {
          while (await conn.read()) continue;
          await proc.sleep(60_000);
          conn.close();
          return 0;
        };
        hold().then(resolve, () => resolve(1));
      });
    });
  }
  if (runner !== 'nat-closewait-client') return goFatal(proc, `No such runner: ${runner}`);
  const conn = await proc.net.dial(at);
  await conn.write(Buffer.from('hello\n'));
  await conn.closeWrite();
  while (await proc.until(conn.read())) continue;
  return 0;
};
