import type { ChaosWorld } from '@orrery/chaos';
import { Nodes } from '@orrery/api';
import type { ResourceRef } from '@orrery/apimachinery';
import { type ApiClient, createRestApiClient } from '@orrery/client';
import { createHttpClient, loadKubeconfig, realClock, realEnv } from '@orrery/node-io';
import { chaosVerbs } from '../chaos-verbs.ts';
import { eventually } from '../eventually.ts';
import { History, followedResources } from '../history.ts';
import type { TestWorld } from '../test-world.ts';

export interface RestWorldParts {
  readonly world: Exclude<TestWorld['world'], 'simulated'>;
  readonly kubeconfig: string;
  readonly nodes: number;
  chaos(api: ApiClient): ChaosWorld;
  logs(component?: string): string;
  /** Lets time pass; resolves to how far the cluster's time is ahead of this machine's by that. */
  advance(ms: number): Promise<number>;
  stop(): Promise<void>;
}

const logLinesInErrors = 15;

export function warningsIn(text: string): string {
  return text.split('\n').filter((line) => /"level":"(warn|error)"/.test(line)).slice(-logLinesInErrors).join('\n');
}

export function restClient(kubeconfig: string): ApiClient {
  const { server, ca, cert, key } = loadKubeconfig(kubeconfig);
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) });
  return createRestApiClient({ http, env: realEnv({ name: 'test', level: 'error' }), host: new URL(server).host });
}

/** A cluster that runs somewhere and is reached by its kubeconfig. */
export async function restWorld(parts: RestWorldParts): Promise<TestWorld> {
  const { world, kubeconfig, nodes, logs } = parts;
  const api = restClient(kubeconfig);
  const history = new History({ api, clock: realClock });
  for (const resource of followedResources) history.follow(resource);
  // The history begins with what is there: the nodes are.
  await eventually(() => history.of(Nodes).length >= nodes, { withinMs: 60_000, what: 'the history begins' });
  let aheadMs = 0;
  return {
    world,
    api,
    as: () => {
      throw new Error('in this world users are made as in any cluster: a ServiceAccount\'s token, a CertificateSigningRequest');
    },
    kubeconfig,
    now: () => Date.now() + aheadMs,
    async advance(ms) {
      aheadMs += await parts.advance(ms);
    },
    eventually: (check, { withinMs = 60_000, what = 'condition' } = {}) =>
      eventually(check, { withinMs, what }).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}\n${warningsIn(logs())}`, { cause: error });
      }),
    chaos: chaosVerbs({ cluster: `${world} cluster`, world: parts.chaos(api), now: () => Date.now() + aheadMs, changes: () => history.changes, run: (act) => act() }),
    history: (resource?: ResourceRef) => history.of(resource),
    follow: (resource) => history.follow(resource),
    logs,
    async stop() {
      history.stop();
      await api.close();
      await parts.stop();
    },
  };
}
