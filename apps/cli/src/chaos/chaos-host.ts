import { type ChaosController, createChaosController } from '@orrery/chaos-controller/component';
import type { ChaosReport } from '@orrery/chaos';
import { createRestApiClient } from '@orrery/client';
import { clusterServerName, createHttpClient, ensurePki, realRandom } from '@orrery/node-io';
import type { Cluster } from '../cluster.ts';
import { createComponentLogs } from '../component-logs.ts';
import type { DataDir } from '../data-dir.ts';
import type { Clock } from '@orrery/runtime';
import { faultedServers } from './faulted-servers.ts';
import { processesChaos } from './processes-world.ts';

/** The chaos of a running cluster, in the process of `orrery up`: off until it is asked for. */
export interface ChaosHost {
  /** Runs the controller from now on. Resolves when experiments are served. */
  enable(): Promise<void>;
  /** Ends faults at once, whether or not the API server answers; all without names. Resolves to what was ended. */
  end(names: readonly string[] | undefined): Promise<string[]>;
  report(): ChaosReport;
  stop(): Promise<void>;
}

export interface ChaosHostOptions {
  readonly dir: DataDir;
  readonly name: string;
  readonly cluster: Cluster;
  readonly clock: Clock;
}

/** The user whom no fault of requests strikes. */
const user = 'orrery:chaos';

export function createChaosHost({ dir, name, cluster, clock }: ChaosHostOptions): ChaosHost {
  const logs = createComponentLogs(dir.logs, { clock });
  let controller: ChaosController | undefined;
  let starting: Promise<void> | undefined;

  const create = (): ChaosController => {
    const env = logs.env('chaos-controller');
    const pki = ensurePki(dir.pki, { dnsNames: [clusterServerName] });
    const credentials = { ca: pki.caCert, ...pki.clientCert(user, ['system:masters']) };
    const api = createRestApiClient({ http: createHttpClient({ server: cluster.server(), ...credentials }), env });
    const own = (cluster.endpoints()['api-rest'] ?? new URL(cluster.server()).host).split(',');
    const servers = faultedServers(own.map((address) => createHttpClient({ server: `https://${address}`, ...credentials })));
    const world = cluster.chaosWorld?.(api) ?? processesChaos({ processes: () => cluster.processes?.() ?? {}, servers, tell: async (component, told) => cluster.tellFaults?.(component, told), random: realRandom }, api);
    return createChaosController(env, { api, world, cluster: name });
  };

  return {
    enable() {
      if (!controller) {
        controller = create();
        starting = controller.start();
      }
      return starting ?? Promise.resolve();
    },
    end: (names) => controller?.end(names) ?? Promise.resolve([]),
    report: () => controller?.report() ?? { cluster: name, madeMs: clock.now(), injections: [], disturbances: [] },
    async stop() {
      await controller?.stop();
      await logs.close();
    },
  };
}
