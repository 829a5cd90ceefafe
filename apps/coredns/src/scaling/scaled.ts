import { ConfigMaps, Nodes } from '@orrery/api';
import type { Node } from '@orrery/api/types';
import { parseQuantity, quantityAsNumber } from '@orrery/apimachinery';
import { type ApiClient, createInformerFactory } from '@orrery/client';
import type { Component, Env } from '@orrery/runtime';
import { type ClusterSize, parseScaling, replicasFor } from './replicas.ts';

export interface ScaledDeps {
  readonly api: ApiClient;
  /** The server that is always there. */
  readonly first: Component;
  /** The nth beside it, from 1. */
  readonly another: (n: number) => Component;
}

const key = { namespace: 'kube-system', name: 'dns-autoscaler' };
/** Servers of one process; each has an address of its own. */
export const mostReplicas = 16;

/** The nth address after another; both in one range of 256. */
export function addressAfter(address: string, n: number): string {
  const dot = address.lastIndexOf('.');
  return `${address.slice(0, dot)}.${Number(address.slice(dot + 1)) + n}`;
}

function sizeOf(nodes: Iterable<Node>): ClusterSize {
  let [count, cores] = [0, 0];
  for (const { status } of nodes) {
    count++;
    cores += quantityAsNumber(parseQuantity(status?.capacity?.['cpu'] ?? '0'));
  }
  return { nodes: count, cores };
}

/**
 * As many servers as the ConfigMap kube-system/dns-autoscaler asks for, in the words of the cluster-proportional-autoscaler. There,
 * another program scales a Deployment; here the server is no Pod, and this process has more of itself, each with its own address and
 * slice. Without the ConfigMap there is one.
 */
export function createScaledDns(env: Env, { api, first, another }: ScaledDeps): Component {
  const informers = createInformerFactory({ api, env });
  const nodes = informers.informer(Nodes);
  const maps = informers.informer(ConfigMaps, { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` });
  const more: Component[] = [];
  let running = false;
  let busy: Promise<void> = Promise.resolve();
  let last = 1;

  const wanted = (): number => {
    const data = maps.get(`${key.namespace}/${key.name}`)?.data;
    if (!data) return 1;
    try {
      const scaling = parseScaling(data);
      const counted = [...nodes.list()].filter(({ spec }) => scaling.includeUnschedulableNodes || !spec?.unschedulable);
      return (last = Math.min(Math.max(replicasFor(scaling, sizeOf(counted)), 1), mostReplicas));
    } catch (error) {
      env.log.warn('kube-system/dns-autoscaler is wrong, the number of servers stays as it is', { error });
      return last;
    }
  };
  const scale = async (): Promise<void> => {
    const count = running ? wanted() : 1;
    while (more.length + 1 < count && running) {
      const one = another(more.length + 1);
      await one.start();
      more.push(one);
      env.log.info('one more server', { replicas: more.length + 1 });
    }
    while (more.length + 1 > count) {
      await more.pop()?.stop();
      env.log.info('one server less', { replicas: more.length + 1 });
    }
  };
  const request = (): void => {
    busy = busy.then(scale).catch((error: unknown) => env.log.warn('cannot change the number of servers', { error }));
  };
  const handlers = { add: request, update: request, delete: request };
  maps.addHandlers(handlers);
  nodes.addHandlers({
    ...handlers,
    // Status comes every few seconds from each node; only what counts is looked at.
    update: (now, before) => void ((now.spec?.unschedulable !== before.spec?.unschedulable || now.status?.capacity?.['cpu'] !== before.status?.capacity?.['cpu']) && request()),
  });
  return {
    name: first.name,
    ...(first.ended ? { ended: first.ended } : {}),
    async start(signal) {
      await first.start(signal);
      running = true;
      informers.start();
    },
    async stop() {
      running = false;
      informers.stop();
      request();
      await busy;
      await first.stop();
    },
    ready: () => first.ready(),
  };
}
