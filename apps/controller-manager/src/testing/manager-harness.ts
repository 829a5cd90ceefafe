import { Pods } from '@orrery/api';
import type { Pod } from '@orrery/api/types';
import type { ApiClient } from '@orrery/client';
import { type FakeApi, createFakeApi } from '@orrery/client/testing';
import { VirtualClock, createLogger, createMetrics, rfc3339, seededRandom } from '@orrery/runtime';
import { expect, onTestFinished } from 'vitest';
import { type ControllerManager, type ControllerManagerDeps, createControllerManager } from '../component.ts';
import type { Settings } from '../settings.ts';
import { guardedBy } from './role-guard.ts';

export interface Harness {
  readonly clock: VirtualClock;
  readonly api: FakeApi;
  readonly manager: ControllerManager;
  /** Warnings and errors that were logged. */
  readonly complaints: string[];
  /** In Prometheus' text format. */
  metrics(): string;
  /** Marks pods Running and Ready, as a scheduler and kubelet would; all that are pending, or the named. */
  run(...names: readonly string[]): void;
  /** Removes pods that are being deleted, as a kubelet would. */
  reap(): Promise<void>;
}

/** A running controller manager on a virtual clock over an API in memory. */
export async function startManager(config: Partial<Settings> = {}, deps: Partial<ControllerManagerDeps> = {}): Promise<Harness> {
  const clock = new VirtualClock();
  const complaints: string[] = [];
  const log = createLogger({ now: () => clock.now(), level: 'warn', write: (record) => void complaints.push(`${record.message} ${JSON.stringify(record.fields)} ${String(record.fields['error'] ?? '')}`) });
  const env = { clock, random: seededRandom(7), log, metrics: createMetrics() };
  const api = createFakeApi(env);
  const denied = new Set<string>();
  onTestFinished(() => expect([...denied], 'calls that the roles of the controllers do not allow').toEqual([]));
  const apiAs = (account: string): ApiClient => guardedBy(account, api, (what) => void denied.add(what));
  const manager = createControllerManager(env, { api: guardedBy('', api, (what) => void denied.add(what)), apiAs, ...deps }, { leaderElect: false, ...config });
  const started = manager.start();
  await clock.advance(100);
  await started;
  const ready = (pod: Pod): void => {
    const { namespace = '', name = '' } = pod.metadata ?? {};
    const condition = { type: 'Ready', status: 'True', lastTransitionTime: rfc3339(clock.now()) };
    api.setStatus(Pods, { namespace, name }, { phase: 'Running', podIP: pod.status?.podIP ?? `10.244.0.${api.objects(Pods).indexOf(pod) + 2}`, conditions: [condition] });
  };
  return {
    clock,
    api,
    manager,
    complaints,
    metrics: () => env.metrics.expose(),
    run(...names) {
      const waiting = api.objects(Pods).filter((pod) => pod.status?.phase === 'Pending' && !pod.metadata?.deletionTimestamp);
      for (const pod of waiting) if (!names.length || names.includes(pod.metadata?.name ?? '')) ready(pod);
    },
    async reap() {
      for (const pod of api.objects(Pods)) {
        const { namespace = '', name = '', deletionTimestamp } = pod.metadata ?? {};
        if (deletionTimestamp) await api.delete(Pods, { namespace, name }, { gracePeriodSeconds: 0 });
      }
    },
  };
}
