import { type ApiClient, createRestApiClient } from '@orrery/client';
import { createHttpClient, loadKubeconfig, realEnv } from '@orrery/node-io';

/** A client of the cluster as a user has it: REST, by the kubeconfig. */
export function clientOf(kubeconfig: string): ApiClient {
  const { server, ca, cert, key } = loadKubeconfig(kubeconfig);
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  return createRestApiClient({ http, env: realEnv({ name: 'chaos', level: 'error' }) });
}

/** A call that hangs fails after this long: its connection may lead to a server that is paused. */
export const callLimitMs = 15_000;

export function within<T>(call: Promise<T>, limitMs = callLimitMs): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
    call.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
