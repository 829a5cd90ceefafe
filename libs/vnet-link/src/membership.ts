import type { ConfigMap } from '@orrery/api/types';
import { ConfigMaps } from '@orrery/api';
import { type ApiClient, createInformer } from '@orrery/client';
import { isAlreadyExists, isNotFound } from '@orrery/errors';
import type { Env, Timer } from '@orrery/runtime';
import type { Peer } from './control.ts';

const namespace = 'kube-system';
const label = 'orrery.dev/vnet-switch';
const retryMs = 500;

/** How a switch tells the others of itself: a ConfigMap `kube-system/vnet-NODE` with this label. */
function toConfigMap(peer: Peer): ConfigMap {
  const { node = '', addresses = [], endpoint = '' } = peer;
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: `vnet-${node}`, namespace, labels: { [label]: 'true' } }, data: { node, addresses: addresses.join(','), endpoint } };
}

function toPeer({ data }: ConfigMap): Peer {
  const text = (key: string): string => String(data?.[key] ?? '');
  return { node: text('node'), addresses: text('addresses').split(',').filter((a) => a !== ''), endpoint: text('endpoint') };
}

export interface VnetMembership {
  /** Resolves once the others are known and have been applied. */
  start(signal?: AbortSignal): Promise<void>;
  /** Publishes this switch, again whenever it changes. */
  publish(self: Peer): void;
  /** Applies once more: the switch was restarted. */
  reapply(): void;
  stop(): void;
}

/**
 * Lets the switches of a cluster find each other through the API server. `apply` is given all switches whenever one comes, goes
 * or changes, and is tried again while it fails (the switch it programs may be away).
 */
export function createVnetMembership(env: Env, options: { api: ApiClient; apply: (peers: readonly Peer[]) => Promise<void> | void }): VnetMembership {
  const { api, apply } = options;
  const informer = createInformer(api, ConfigMaps, { env, namespace, labelSelector: `${label}=true` });
  let timer: Timer | undefined;
  let stopped = false;
  let published: Peer | undefined;
  let publishing: Promise<void> = Promise.resolve();

  const later = (fn: () => Promise<void>, delayMs: number): Timer => env.clock.after(delayMs, () => void fn());
  const applyNow = async (): Promise<void> => {
    timer = undefined;
    try {
      await apply([...informer.list()].map(toPeer));
    } catch (error) {
      env.log.warn('cannot tell the switch of its peers, trying again', { error });
      if (!stopped) timer ??= later(applyNow, retryMs);
    }
  };
  const changed = (): void => {
    if (!stopped && informer.synced()) timer ??= later(applyNow, 0);
  };
  informer.addHandlers({ add: changed, update: changed, delete: changed });

  const write = async (peer: Peer): Promise<void> => {
    const wanted = toConfigMap(peer);
    const key = { namespace, name: wanted.metadata?.name ?? '' };
    try {
      await api.patch(ConfigMaps, key, { data: wanted.data }, { type: 'application/merge-patch+json' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await api.create(ConfigMaps, wanted).catch((conflict: unknown) => {
        if (!isAlreadyExists(conflict)) throw conflict;
      });
    }
  };
  const publishNow = async (peer: Peer): Promise<void> => {
    while (!stopped && published === peer) {
      try {
        return await write(peer);
      } catch (error) {
        env.log.warn('cannot publish the switch, trying again', { error });
        await env.clock.sleep(retryMs);
      }
    }
  };

  return {
    async start(signal) {
      informer.start();
      await informer.whenSynced(signal);
      await applyNow();
    },
    publish(self) {
      if (JSON.stringify(published) === JSON.stringify(self)) return;
      published = self;
      publishing = publishing.then(() => publishNow(self));
    },
    reapply: changed,
    stop() {
      stopped = true;
      timer?.cancel();
      informer.stop();
    },
  };
}
