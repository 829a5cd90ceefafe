import type { ApiClient } from '@orrery/client';
import { realEnv, serveHttp } from '@orrery/node-io';
import type { Env } from '@orrery/runtime';
import { type ApiServer, type ApiServerConfig, type ApiServerDeps, createApiServer } from '../src/component.ts';
import { type TestStore, losesLeaders, patienceMs, startTestStore, takesTurns } from './stores.ts';

export const admin = { username: 'admin', groups: ['system:masters', 'system:authenticated'] };

export interface TestServer {
  readonly server: ApiServer;
  readonly store: TestStore;
  readonly api: ApiClient;
  readonly env: Env;
  /** Base URL of the REST API. */
  readonly url: string;
  /** Another API server on the same store. */
  replica(settings?: Partial<ApiServerConfig>): Promise<ApiServer>;
  stop(): Promise<void>;
}

/** Every call goes to the next one: a client behind a load balancer. */
function inTurn(clients: readonly ApiClient[]): ApiClient {
  let next = 0;
  return new Proxy(clients[0] as ApiClient, {
    get(_, name: keyof ApiClient) {
      const client = clients[next++ % clients.length] as ApiClient;
      return (client[name] as (...args: unknown[]) => unknown).bind(client);
    },
  });
}

/** A store and an API server in this process; without plug-ins unless told, so nothing is authenticated or admitted. */
export async function startTestServer(settings: Partial<ApiServerConfig> = {}, deps: Partial<ApiServerDeps> = {}): Promise<TestServer> {
  const env = realEnv({ name: 'test', level: 'error' });
  const store = await startTestStore(env);
  // An election takes longer on a busy machine than health checks wait for by themselves.
  const patience: Partial<ApiServerConfig> = losesLeaders() ? { etcdHealthcheckTimeout: '30s', etcdReadycheckTimeout: '30s' } : {};
  const running: ApiServer[] = [];
  const start = async (more: Partial<ApiServerConfig> = {}): Promise<ApiServer> => {
    // Each its own metrics, as if it were a process of its own.
    const server = createApiServer(running.length ? realEnv({ name: 'test', level: 'error' }) : env, { store: store.channel(), http: serveHttp, plugins: [], ...deps }, { port: 0, grpcPort: 0, etcdPrefix: store.prefix, ...patience, ...settings, ...more });
    await server.start();
    running.push(server);
    return server;
  };
  const server = await start();
  return {
    server,
    store,
    env,
    api: takesTurns() ? inTurn([server.client(admin), (await start()).client(admin)]) : server.client(admin),
    url: `http://127.0.0.1:${server.port}`,
    replica: start,
    async stop() {
      for (const one of running) await one.stop();
      await store.stop();
    },
  };
}

/** Resolves once `condition` holds; rejects after thirty seconds of real time (more where the store loses its leader now and then). */
export async function eventually(condition: () => boolean | Promise<boolean>, what = 'condition'): Promise<void> {
  const deadline = performance.now() + patienceMs(30_000);
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
