import type { Env, Timer } from '@orrery/runtime';
import type { Endpoint } from '@orrery/vnet';
import { endpointKey } from '../deciding/balance.ts';
import type { Backends } from '../routing/backends.ts';
import { endpointsOf } from '../routing/backends.ts';
import type { RoutingTable } from '../routing/table.ts';
import type { GlobalSettings } from '../annotations/global.ts';
import { type NginxFiles, renderNginx } from './render.ts';

/** nginx as a process of this machine; see `managedNginx` of node-io. */
export interface NginxProcess {
  readonly dir: string;
  readonly user: string;
  /** Ports it is to listen on. */
  reserve(): Promise<{ host: string; http: number; https: number }>;
  /** `host:port` of this machine that leads to an endpoint, for nginx. */
  reach(endpoint: Endpoint): Promise<string>;
  /** Lets go of what leads to endpoints that are gone, once old workers have ended. */
  keepOnly(endpoints: readonly Endpoint[]): void;
  /** Writes and checks a configuration, and starts nginx or makes it take it over. Rejects with what `nginx -t` says. */
  apply(files: NginxFiles): Promise<void>;
  stop(): Promise<void>;
}

export interface NginxPlaneDeps {
  readonly env: Env;
  readonly nginx: NginxProcess;
  readonly backends: Backends;
  readonly table: () => RoutingTable;
  readonly global: () => GlobalSettings;
}

/** Changes within this time become one reload. */
const settleMs = 100;

/** Keeps nginx at what the table says. */
export function createNginxPlane({ env, nginx, backends, table, global }: NginxPlaneDeps) {
  const addresses = new Map<string, string>();
  const reloads = env.metrics.gauge('nginx_ingress_controller_config_last_reload_successful', 'Whether the last configuration reload attempt was successful');
  let ports = { host: '', http: 0, https: 0 };
  let timer: Timer | undefined;
  let last = '';
  let running = false;
  let work: Promise<void> = Promise.resolve();

  const endpoints = (): Endpoint[] => {
    const found = new Map<string, Endpoint>();
    for (const location of [...table().hosts.values()].flat()) {
      for (const backend of [location.backend, ...location.alternatives.map((one) => one.backend)]) for (const endpoint of endpointsOf(backends, backend, location.settings.serviceUpstream)) found.set(endpointKey(endpoint), endpoint);
    }
    return [...found.values()];
  };
  const sync = async (): Promise<void> => {
    const all = endpoints();
    for (const endpoint of all) addresses.set(endpointKey(endpoint), await nginx.reach(endpoint));
    const files = renderNginx({ table: table(), global: global(), backends, address: (endpoint) => addresses.get(endpointKey(endpoint)), host: ports.host, httpPort: ports.http, httpsPort: ports.https, dir: nginx.dir, user: nginx.user });
    const text = JSON.stringify([...files]);
    if (text === last) return;
    await nginx.apply(files);
    last = text;
    reloads.set(1);
    nginx.keepOnly(all);
  };
  return {
    async start(): Promise<{ http: string; https: string }> {
      ports = await nginx.reserve();
      running = true;
      await sync();
      return { http: `${ports.host}:${ports.http}`, https: `${ports.host}:${ports.https}` };
    },
    /** Something that the configuration is made from may have changed. */
    changed(): void {
      if (!running || timer) return;
      timer = env.clock.after(settleMs, () => {
        timer = undefined;
        work = work.then(sync).catch((error: unknown) => {
          reloads.set(0);
          env.log.error('nginx does not take the configuration; the one before serves on', { error });
        });
      });
    },
    async stop(): Promise<void> {
      running = false;
      timer?.cancel();
      await work;
      await nginx.stop();
    },
  };
}
