import { Agent, request } from 'node:https';
import { loadKubeconfig } from '@orrery/node-io/kubeconfig';

export interface Reply {
  readonly code: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The body as JSON; undefined when it is none. */
  readonly body: any;
}

export interface Call {
  readonly body?: unknown;
  /** Sent as it is in place of `body`. */
  readonly text?: string;
  readonly type?: string;
  readonly accept?: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: any;
}

export interface Watching {
  readonly events: WatchEvent[];
  readonly ended: Promise<void>;
  stop(): void;
}

export const merge = 'application/merge-patch+json';
export const strategic = 'application/strategic-merge-patch+json';
export const apply = 'application/apply-patch+yaml';

/** REST as it goes over the wire: no client library between a test and the server. */
export interface Rest {
  call(method: string, path: string, call?: Call): Promise<Reply>;
  /** The body of an answer that must be a success. */
  ok(method: string, path: string, call?: Call): Promise<any>;
  watch(path: string): Promise<Watching>;
  close(): void;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function restClient(kubeconfig: string): Rest {
  const access = loadKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true, ca: access.ca, cert: access.cert, key: access.key, rejectUnauthorized: !access.insecureSkipTlsVerify });
  const authorization = access.token ? { authorization: `Bearer ${access.token()}` } : {};

  const call: Rest['call'] = (method, path, { body, text, type = 'application/json', accept = 'application/json' } = {}) =>
    new Promise((resolve, reject) => {
      const payload = text ?? (body === undefined ? undefined : JSON.stringify(body));
      const headers = { accept, ...authorization, ...(payload === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(payload) }) };
      const sent = request(access.server + path, { method, agent, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const answer = Buffer.concat(chunks).toString('utf8');
          resolve({ code: response.statusCode ?? 0, headers: response.headers, text: answer, body: parsed(answer) });
        });
      });
      sent.on('error', reject);
      sent.end(payload);
    });

  return {
    call,
    async ok(method, path, options) {
      const reply = await call(method, path, options);
      if (reply.code >= 300) throw new Error(`${method} ${path}: ${reply.code} ${reply.text}`);
      return reply.body;
    },
    watch: (path) =>
      new Promise((resolve, reject) => {
        const events: WatchEvent[] = [];
        const sent = request(access.server + path, { agent: new Agent({ ca: access.ca, cert: access.cert, key: access.key }), headers: { accept: 'application/json', ...authorization } }, (response) => {
          let rest = '';
          response.on('data', (chunk: Buffer) => {
            const lines = (rest + chunk.toString('utf8')).split('\n');
            rest = lines.pop() ?? '';
            for (const line of lines) events.push(JSON.parse(line) as WatchEvent);
          });
          const ended = new Promise<void>((done) => response.on('close', done));
          resolve({ events, ended, stop: () => void sent.destroy() });
        });
        sent.on('error', reject);
        sent.end();
      }),
    close: () => agent.destroy(),
  };
}
