import { request } from 'node:http';
import { request as tlsRequest } from 'node:https';

export interface HttpReply {
  readonly status: number;
  readonly body: string;
}

/** One GET on a connection of its own. */
export function httpGet(url: string, headers: Readonly<Record<string, string>> = {}): Promise<HttpReply> {
  return new Promise((resolve, reject) => {
    const call = request(url, { headers, agent: false, timeout: 10_000 }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    call.on('timeout', () => call.destroy(new Error(`no answer from ${url} within 10 s`)));
    call.on('error', reject);
    call.end();
  });
}

/** The body of a GET that must answer 200. */
export async function body(url: string, headers?: Readonly<Record<string, string>>): Promise<string> {
  const reply = await httpGet(url, headers);
  if (reply.status !== 200) throw new Error(`${url} answered ${reply.status}: ${reply.body.slice(0, 200)}`);
  return reply.body;
}

/** One GET over TLS for a host that this machine reaches at another place; the certificate must be of `ca` and for the host. */
export function httpsGet(at: { readonly address: string; readonly host: string; readonly ca: string; readonly path: string }): Promise<HttpReply> {
  const [host = '', port = ''] = at.address.split(':');
  return new Promise((resolve, reject) => {
    const call = tlsRequest({ host, port, path: at.path, servername: at.host, ca: at.ca, headers: { host: at.host }, agent: false, timeout: 10_000 }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer from ${at.address} within 10 s`)));
    call.on('error', reject);
    call.end();
  });
}
