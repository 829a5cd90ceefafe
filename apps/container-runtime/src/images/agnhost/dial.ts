import { HttpParseError } from '@orrery/http';
import { NetError, formatEndpoint } from '@orrery/vnet';
import { TlsError, UnsupportedScheme, httpCall } from '../../net/http-client.ts';
import type { HttpReply, HttpRequest } from '../../net/http-server.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';
import { goJson, goNetError } from './go-text.ts';

const timeoutMs = 5000;

interface Target {
  readonly ip: string;
  readonly port: number;
  readonly request: string;
}

/** A try that failed; the message is what the reply's `errors` says. */
export class DialFailure extends Error {}

async function askHttp(proc: Proc, target: Target): Promise<string> {
  const shown = `http://${formatEndpoint(target)}/${target.request}`;
  const url = URL.parse(shown);
  if (!url) throw new DialFailure(`parse ${JSON.stringify(shown)}: invalid URL`);
  try {
    const reply = await httpCall(proc, { url, timeoutMs });
    const chunks: Uint8Array[] = [];
    for await (const bytes of reply.body) chunks.push(bytes);
    return Buffer.concat(chunks).toString();
  } catch (error) {
    if (!(error instanceof NetError || error instanceof HttpParseError || error instanceof UnsupportedScheme || error instanceof TlsError)) throw error;
    const why = error instanceof HttpParseError ? 'EOF' : !(error instanceof NetError) ? error.message : error.code === 'ETIMEDOUT' ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)' : goNetError(error, { network: 'tcp', endpoint: target, host: target.ip });
    throw new DialFailure(`Get ${JSON.stringify(shown)}: ${why}`);
  }
}

/** Sends a datagram and waits for the answer. Rejects with DialFailure. */
export function askUdp(proc: Proc, target: Target & { readonly timeoutMs?: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = proc.net.udp({ ip: '', port: 0 }, (bytes) => {
      finish();
      resolve(Buffer.from(bytes).toString());
    });
    const timer = proc.clock.after(target.timeoutMs ?? timeoutMs, () => {
      finish();
      const local = formatEndpoint({ ip: proc.net.stack.ips[0] ?? '', port: socket.address.port });
      reject(new DialFailure(`reading from udp connection failed. err:'read udp ${local}->${formatEndpoint(target)}: i/o timeout'`));
    });
    const forget = proc.onExit(() => timer.cancel());
    const finish = (): void => {
      timer.cancel();
      forget();
      socket.close();
    };
    socket.send(Buffer.from(target.request), target);
  });
}

const refusal = (message: string): HttpReply => ({ status: 400, headers: [['Content-Type', 'text/plain; charset=utf-8'], ['X-Content-Type-Options', 'nosniff']], body: `${message}\n` });

/** /dial: asks another pod, so that tests can look at the network from inside. */
export async function dial(proc: Proc, { query }: HttpRequest): Promise<HttpReply> {
  const [host = '', port = '', request = '', tries = ''] = ['host', 'port', 'request', 'tries'].map((name) => query.get(name) ?? '');
  const protocol = (query.get('protocol') ?? '').toLowerCase();
  if (tries !== '' && !/^-?\d+$/.test(tries)) return refusal(`tries parameter is invalid. strconv.Atoi: parsing ${JSON.stringify(tries)}: invalid syntax`);
  if (request === '') return refusal('request parameter not specified. <nil>');
  if (!['', 'http', 'udp'].includes(protocol)) return refusal(`unsupported protocol. ${query.get('protocol')}`);
  let ip: string;
  try {
    if (!/^\d+$/.test(port)) return refusal(`host and/or port param are invalid. lookup ${protocol === 'udp' ? 'udp' : 'tcp'}/${port}: unknown port`);
    [ip = ''] = host === '' ? ['127.0.0.1'] : await proc.net.lookup(host);
  } catch (error) {
    if (!(error instanceof ResolveError)) throw error;
    return refusal(`host and/or port param are invalid. ${goNetError(error, { network: 'tcp', host })}`);
  }
  const target: Target = { ip, port: Number(port), request };
  const responses: string[] = [];
  const errors: string[] = [];
  let last = '';
  for (let i = 0; i < Number(tries || 1); i++) {
    try {
      last = await (protocol === 'udp' ? askUdp(proc, target) : askHttp(proc, target));
      responses.push(last);
    } catch (error) {
      if (!(error instanceof DialFailure)) throw error;
      last = '';
      errors.push(error.message);
    }
  }
  return { status: 200, headers: [['Content-Type', 'text/plain; charset=utf-8']], body: goJson({ ...(last === '' ? {} : { responses }), ...(errors.length ? { errors } : {}) }) };
}
