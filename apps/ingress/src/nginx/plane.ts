import type { Env, Timer } from '@orrery/runtime';
import type { Endpoint } from '@orrery/vnet';
import { endpointKey } from '../deciding/balance.ts';
import { type Backend, type Backends, endpointsOf, upstreamName } from '../routing/backends.ts';
import type { ReloadReport } from '../reporting/controller-metrics.ts';
import { configurationText } from '../routing/configuration-text.ts';
import type { RoutingTable } from '../routing/table.ts';
import type { GlobalSettings } from '../annotations/global.ts';
import { leavingFile } from './input.ts';
import { type NginxFiles, renderNginx } from './render.ts';

/** nginx as a process of this machine; see `managedNginx` of node-io. */
export interface NginxProcess {
  readonly dir: string;
  readonly user: string;
  /** Ports it is to listen on. */
  reserve(): Promise<{ host: string; http: number; https: number }>;
  /** `host:port` of this machine, for nginx: each connection to it leads to the first of the candidates of that moment that takes it. The same key has the same address. */
  reach(key: string, candidates: () => readonly Endpoint[]): Promise<string>;
  /** Lets go of all other addresses, once old workers have ended. */
  keepOnly(keys: ReadonlySet<string>): void;
  /**
   * Writes and checks a configuration, and starts nginx or makes it take it over. Workers that serve are warned by a file before they
   * have to go. Rejects with what `nginx -t` says.
   */
  apply(files: NginxFiles, leaving: string): Promise<void>;
  stop(): Promise<void>;
}

export interface NginxPlaneDeps {
  readonly env: Env;
  readonly nginx: NginxProcess;
  readonly backends: Backends;
  readonly table: () => RoutingTable;
  readonly global: () => GlobalSettings;
  readonly report: ReloadReport;
}

/** Changes within this time become one reload. */
const settleMs = 100;

const wayKey = (backend: Backend, endpoint: Endpoint | undefined): string => `${upstreamName(backend)} ${endpoint ? endpointKey(endpoint) : 'any'}`;

/** Keeps nginx at what the table says. */
export function createNginxPlane({ env, nginx, backends, table, global, report }: NginxPlaneDeps) {
  let ports = { host: '', http: 0, https: 0 };
  let timer: Timer | undefined;
  let last = '';
  let generation = 0;
  let running = false;
  let work: Promise<void> = Promise.resolve();

  let turn = 0;
  /** The endpoint while it is one; then the others, each first in its turn: pods that go take no request with them, whenever nginx learns of it. */
  const candidates = (endpoint: Endpoint | undefined, backend: Backend, viaService: boolean): Endpoint[] => {
    const now = endpointsOf(backends, backend, viaService);
    const others = now.filter((one) => !endpoint || endpointKey(one) !== endpointKey(endpoint));
    const first = others.length ? turn++ % others.length : 0;
    const rest = [...others.slice(first), ...others.slice(0, first)];
    return endpoint && (others.length < now.length || !now.length) ? [endpoint, ...rest] : rest;
  };
  /** Addresses for all endpoints of the table, and one for any of each backend, by key. */
  const reachAll = async (): Promise<Map<string, string>> => {
    const found = new Map<string, string>();
    for (const { backend, alternatives, settings } of [...table().hosts.values()].flat()) {
      for (const to of [backend, ...alternatives.map((one) => one.backend)]) {
        const now = endpointsOf(backends, to, settings.serviceUpstream);
        for (const endpoint of now.length ? [...now, undefined] : []) {
          const key = wayKey(to, endpoint);
          if (!found.has(key)) found.set(key, await nginx.reach(key, () => candidates(endpoint, to, settings.serviceUpstream)));
        }
      }
    }
    return found;
  };
  const sync = async (): Promise<void> => {
    const addresses = await reachAll();
    const render = (of: number): NginxFiles => renderNginx({ table: table(), global: global(), backends, address: (endpoint, backend) => addresses.get(wayKey(backend, endpoint)), host: ports.host, httpPort: ports.http, httpsPort: ports.https, generation: of, dir: nginx.dir, user: nginx.user });
    if (JSON.stringify([...render(generation)]) === last) return;
    const files = render(generation + 1);
    const [applied, settings] = [table(), global()];
    await nginx.apply(files, leavingFile({ generation }));
    generation++;
    last = JSON.stringify([...files]);
    report.reloaded(() => configurationText(applied, settings));
    nginx.keepOnly(new Set(addresses.keys()));
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
          report.failed();
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
