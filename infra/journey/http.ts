import { request } from 'node:http';

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
