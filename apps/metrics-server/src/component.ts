import type { ApiClient } from '@orrery/client';
import type { HttpServer, ServeHttp } from '@orrery/node-io/http-server';
import type { Trust } from '@orrery/node-io/secure-serving';
import { type Component, ConfigError, type Env, flagName, parseGoDuration } from '@orrery/runtime';
import { proxyGuard, readTrust } from './api/access.ts';
import { metricsHandler } from './api/handler.ts';
import type { MetricsServerConfig } from './config.ts';
import { register } from './registration.ts';
import { type ConnectKubelet, Scraper } from './scrape/scraper.ts';

export { metricsServerSchema } from './config.ts';
export { serviceDnsName } from './registration.ts';
export type { ConnectKubelet } from './scrape/scraper.ts';

export interface MetricsServerDeps {
  readonly api: ApiClient;
  readonly serveHttp: ServeHttp;
  readonly connectKubelet: ConnectKubelet;
  /** PEM certificate for `serviceDnsName`, its key, and the CA that the API server is to verify it by (empty: not at all). */
  readonly tls: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface MetricsServer extends Component {
  /** Once started. */
  readonly port: number;
}

const firstRetryMs = 20;
const maxRetryMs = 5_000;
/** The trust is read again at most so often because strangers ask. */
const trustAgeMs = 30_000;

function duration(config: MetricsServerConfig, key: 'metricResolution' | 'idleAfter'): number {
  try {
    return parseGoDuration(config[key]);
  } catch (error) {
    throw new ConfigError(`${flagName(key)}: ${(error as Error).message}`);
  }
}

/** Serves `metrics.k8s.io` from what the kubelets say. Ready once the API server knows of it. */
export function createMetricsServer(env: Env, deps: MetricsServerDeps, config: MetricsServerConfig): MetricsServer {
  const { api } = deps;
  const scraper = new Scraper(env, { api, connect: deps.connectKubelet }, { resolutionMs: duration(config, 'metricResolution'), idleAfterMs: duration(config, 'idleAfter') });
  const { cert, key, ca } = deps.tls;
  let trust: Trust | undefined;
  let trustedMs = 0;
  let server: HttpServer | undefined;
  let registered = false;

  const readAgain = async (): Promise<void> => {
    if (env.clock.monotonic() - trustedMs < trustAgeMs) return;
    trustedMs = env.clock.monotonic();
    trust = await readTrust(api);
    server?.setTls({ cert, key, clientCa: trust.proxyCa });
  };
  /** Until it works: the API server may still be on its way up. */
  const persistently = async <T>(what: string, run: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    for (let waitMs = firstRetryMs; ; waitMs = Math.min(maxRetryMs, waitMs * 2)) {
      try {
        return await run();
      } catch (error) {
        signal?.throwIfAborted();
        env.log[waitMs < 1_000 ? 'debug' : 'warn'](`${what} failed, will retry`, { error: (error as Error).message });
        await env.clock.sleep(waitMs, signal);
      }
    }
  };
  return {
    name: 'metrics-server',
    get port() {
      return server?.port ?? 0;
    },
    async start(signal) {
      const first = await persistently('reading whom to trust', () => readTrust(api), signal);
      trust = first;
      const handler = metricsHandler({
        env,
        api,
        usage: scraper.usage,
        nowMs: () => env.clock.now(),
        guard: proxyGuard(env, { api, trust: () => trust ?? first }),
        ready: () => registered,
        wanted: () => scraper.wanted(),
        onStranger: () => void readAgain().catch((error: unknown) => env.log.warn('whom to trust could not be read again', { error: (error as Error).message })),
      });
      const running = await deps.serveHttp({ host: config.bindAddress, port: config.securePort, handler, tls: { cert, key, clientCa: first.proxyCa } });
      server = running;
      await persistently('registering', () => register(api, { host: config.advertiseHost, port: running.port, ca }), signal);
      registered = true;
      scraper.start();
    },
    async stop() {
      registered = false;
      scraper.stop();
      await server?.close();
      server = undefined;
    },
    ready: () => registered,
  };
}
