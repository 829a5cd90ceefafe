import type { HttpClient } from '@orrery/client';
import { createHttpClient } from '@orrery/node-io/http-client';
import { type Clock, timeoutSignal } from '@orrery/runtime';

const timeoutMs = 30_000;
const maxRedirects = 10;

/** GETs a URL and brings back the body. Rejects with an error that names the URL. */
export type Fetch = (url: string, headers?: Readonly<Record<string, string>>) => Promise<string>;

/** GETs over HTTPS that trust `ca` (PEM; undefined: the system's roots). Follows redirects as Go's client does. */
export function trustingFetch(options: { readonly ca?: string; readonly clock: Clock }): { readonly get: Fetch; close(): void } {
  const clients = new Map<string, HttpClient>();
  const clientOf = (origin: string): HttpClient => {
    let client = clients.get(origin);
    if (!client) clients.set(origin, (client = createHttpClient({ server: origin, ...(options.ca ? { ca: options.ca } : {}), maxSockets: 4 })));
    return client;
  };
  const get: Fetch = async (url, headers = {}) => {
    const over = new AbortController();
    const signal = timeoutSignal(options.clock, timeoutMs, over.signal);
    let at = new URL(url);
    try {
      for (let hop = 0; ; hop++) {
        const response = await clientOf(at.origin).request({ method: 'GET', path: at.pathname + at.search, headers: { accept: 'application/json', ...headers }, signal });
        const text = await response.text();
        const { location } = response.headers;
        if (response.status >= 300 && response.status < 400 && location && hop < maxRedirects) {
          at = new URL(location, at);
          continue;
        }
        if (response.status !== 200) throw new Error(`${response.status}: ${text.slice(0, 200)}`);
        return text;
      }
    } catch (error) {
      throw new Error(`Get ${JSON.stringify(url)}: ${(error as Error).message}`);
    } finally {
      over.abort();
    }
  };
  return {
    get,
    close() {
      for (const client of clients.values()) client.close();
    },
  };
}
