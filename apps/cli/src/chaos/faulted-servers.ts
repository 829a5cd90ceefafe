import type { Fault } from '@orrery/chaos';
import type { HttpClient } from '@orrery/client';

/** The API servers of a cluster, told over REST what to do to requests. */
export interface FaultedServers {
  add(id: string, fault: Fault): Promise<void>;
  remove(id: string): Promise<void>;
}

const path = '/debug/chaos/faults';
const retryMs = 500;
/** So long it is tried to take a fault back: a server may stand still meanwhile. */
const patienceMs = 120_000;

async function ask(http: HttpClient, call: { method: string; path: string; body?: Uint8Array }): Promise<number> {
  const response = await http.request({ ...call, headers: { 'content-type': 'application/json', accept: 'application/json' } });
  const text = await response.text();
  if (response.status >= 400 && response.status !== 404) throw new Error(`the API server answered ${response.status}: ${text.slice(0, 300)}`);
  return response.status;
}

/** `clients` speak to one API server each. */
export function faultedServers(clients: readonly HttpClient[]): FaultedServers {
  return {
    async add(id, fault) {
      const body = Buffer.from(JSON.stringify({ id, fault }));
      for (const http of clients) await ask(http, { method: 'PUT', path, body });
    },
    /** A server that was started anew knows of no fault, which is as well. */
    async remove(id) {
      const end = performance.now() + patienceMs;
      const from = async (http: HttpClient): Promise<void> => {
        for (;;) {
          try {
            await ask(http, { method: 'DELETE', path: `${path}?id=${encodeURIComponent(id)}` });
            return;
          } catch (error) {
            if (performance.now() > end) throw error;
            await new Promise((resolve) => setTimeout(resolve, retryMs));
          }
        }
      };
      await Promise.all(clients.map(from));
    },
  };
}
