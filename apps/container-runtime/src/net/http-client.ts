import { type ExchangeReply, type HeaderList, exchange } from '@orrery/http';
import { type Conn, NetError, formatEndpoint } from '@orrery/vnet';
import type { Proc } from '../process/proc.ts';

export interface HttpCall {
  readonly url: URL;
  readonly method?: string;
  /** Path and query to send; default the URL's. */
  readonly target?: string;
  readonly headers?: HeaderList;
  readonly body?: Uint8Array;
  readonly timeoutMs?: number;
  /** Connect here instead of to the URL's host. */
  readonly address?: { readonly ip: string; readonly port: number };
  /** For https. Without `ca` nothing can be verified, so `verify` then fails: images hold no bundle of authorities. */
  readonly tls?: { readonly verify: boolean; readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Told before the connection is made. */
  onAddress?(ip: string, port: number): Promise<void> | void;
}

/** A URL this client cannot speak. */
export class UnsupportedScheme extends Error {}

/** The other end's certificate is not accepted, or it does not speak TLS. */
export class TlsError extends Error {}

async function secured(proc: Proc, conn: Conn, { url, tls }: HttpCall): Promise<Conn> {
  const dialTls = proc.net.dialTls;
  if (!dialTls) throw new UnsupportedScheme('https');
  if (tls?.verify && !tls.ca) {
    conn.close();
    throw new TlsError('unable to get local issuer certificate');
  }
  const { ca, cert, key } = tls ?? {};
  const host = url.hostname.replace(/^\[|\]$/g, '');
  try {
    return await proc.until(dialTls(conn, { host, port: Number(url.port || 443), tls: { ...(ca ? { ca } : {}), ...(cert && key ? { cert, key } : {}) } }));
  } catch (error) {
    conn.close();
    if (error instanceof NetError) throw new TlsError(error.message.replace(/^dial tcp \S+: /, ''));
    throw error;
  }
}

/** Parses what users type: the scheme may be missing. Undefined when it is no URL. */
export function parseUrl(text: string): URL | undefined {
  return URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`) ?? undefined;
}

/** One request over the pod's network, names resolved as the pod does. Rejects with ResolveError, NetError, TlsError or HttpParseError. */
export async function httpCall(proc: Proc, call: HttpCall): Promise<ExchangeReply> {
  const { url, method = 'GET', timeoutMs } = call;
  const secure = url.protocol === 'https:' && proc.net.dialTls !== undefined;
  if (url.protocol !== 'http:' && !secure) throw new UnsupportedScheme(url.protocol.slice(0, -1));
  const port = call.address?.port ?? (url.port ? Number(url.port) : secure ? 443 : 80);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const addresses = call.address ? [call.address.ip] : await proc.net.lookup(host);
  let failure: unknown;
  for (const ip of addresses) {
    await call.onAddress?.(ip, port);
    try {
      const plain = await proc.net.dial({ ip, port }, timeoutMs === undefined ? {} : { timeoutMs });
      const conn = secure ? await secured(proc, plain, call) : plain;
      const given = call.headers ?? [];
      const headers: HeaderList = given.some(([name]) => name.toLowerCase() === 'host') ? given : [['Host', url.host], ...given];
      const reply = exchange(conn, { method, target: call.target ?? `${url.pathname}${url.search}`, headers, ...(call.body ? { body: call.body } : {}) });
      return await (timeoutMs === undefined ? proc.until(reply) : withDeadline(proc, reply, { timeoutMs, abandon: () => conn.close(), to: formatEndpoint({ ip, port }) }));
    } catch (error) {
      if (!(error instanceof NetError)) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function withDeadline<T>(proc: Proc, promise: Promise<T>, options: { timeoutMs: number; to: string; abandon(): void }): Promise<T> {
  let expired = false;
  const timer = proc.clock.after(options.timeoutMs, () => {
    expired = true;
    options.abandon();
  });
  try {
    return await proc.until(promise);
  } catch (error) {
    if (expired) throw new NetError('ETIMEDOUT', `no reply from ${options.to} in time`);
    throw error;
  } finally {
    timer.cancel();
  }
}
