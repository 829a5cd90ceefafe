import { ConfigMaps, Nodes, Pods, Secrets, Services } from '@orrery/api';
import type { ConfigMap, Node, Pod, Secret, Service } from '@orrery/api/types';
import { type ApiClient, type Informer, type InformerHandlers, createInformer } from '@orrery/client';
import type { Env } from '@orrery/runtime';
import { ObjectCache } from './object-cache.ts';

/** A feed of the objects of one node. */
export interface NodeFeed<T> {
  /** Resolves when everything there is has been handed over. */
  ready(signal?: AbortSignal): Promise<void>;
  synced(): boolean;
  stop(): void;
  list(): Iterable<T>;
}

/**
 * What kubelets read from the API server. One is enough for all kubelets of a process: it holds one watch of the
 * services for all, one of each config map and secret that some pod names, and, when told to share, one of all pods and
 * nodes instead of two a node.
 */
export interface KubeletSources {
  pods(nodeName: string, handlers: InformerHandlers<Pod>): NodeFeed<Pod>;
  node(nodeName: string, handlers: InformerHandlers<Node>): NodeFeed<Node>;
  readonly services: Informer<Service>;
  readonly configMaps: ObjectCache<ConfigMap>;
  readonly secrets: ObjectCache<Secret>;
  stop(): void;
}

const nodeIndex = 'nodeName';
const nowhere: string[] = [];

function ownFeed<T extends Pod | Node>(informer: Informer<T>, handlers: InformerHandlers<T>): NodeFeed<T> {
  informer.addHandlers(handlers);
  informer.start();
  return { ready: (signal) => informer.whenSynced(signal), synced: () => informer.synced(), stop: () => informer.stop(), list: () => informer.list() };
}

/** Hands each object to the handlers of the node it belongs to. */
class SharedFeed<T extends Pod | Node> {
  private readonly informer: Informer<T>;
  private readonly nodeOf: (object: T) => string;
  private readonly handlers = new Map<string, InformerHandlers<T>>();

  constructor(informer: Informer<T>, nodeOf: (object: T) => string) {
    this.informer = informer;
    this.nodeOf = nodeOf;
    informer.addIndexer(nodeIndex, (object) => {
      const name = nodeOf(object);
      return name === '' ? nowhere : [name];
    });
    informer.addHandlers({
      add: (object) => this.of(object)?.add?.(object),
      update: (object, old) => this.updated(object, old),
      delete: (object) => this.of(object)?.delete?.(object),
    });
  }

  subscribe(nodeName: string, handlers: InformerHandlers<T>): NodeFeed<T> {
    const { informer } = this;
    informer.start();
    this.handlers.set(nodeName, handlers);
    for (const object of [...informer.byIndex(nodeIndex, nodeName)]) handlers.add?.(object);
    return {
      ready: (signal) => informer.whenSynced(signal),
      synced: () => informer.synced(),
      stop: () => void this.handlers.delete(nodeName),
      list: () => informer.byIndex(nodeIndex, nodeName),
    };
  }

  stop(): void {
    this.informer.stop();
  }

  private of(object: T): InformerHandlers<T> | undefined {
    return this.handlers.get(this.nodeOf(object));
  }

  /** A pod enters a node by being bound to it. */
  private updated(object: T, old: T): void {
    const handlers = this.of(object);
    if (this.nodeOf(old) === this.nodeOf(object)) handlers?.update?.(object, old);
    else handlers?.add?.(object);
  }
}

export interface KubeletSourcesOptions {
  readonly api: ApiClient;
  /** One watch of all pods and nodes for the whole process; right when it hosts most nodes of the cluster. */
  readonly shared?: boolean;
}

export function createKubeletSources(env: Env, options: KubeletSourcesOptions): KubeletSources {
  const { api } = options;
  const services = createInformer(api, Services, { env, indexers: { namespace: (service) => [service.metadata?.namespace ?? ''] } });
  const configMaps = new ObjectCache(env, { api, resource: ConfigMaps });
  const secrets = new ObjectCache(env, { api, resource: Secrets });
  services.start();
  const stop = (): void => {
    services.stop();
    configMaps.stop();
    secrets.stop();
  };
  if (options.shared) {
    const pods = new SharedFeed(createInformer(api, Pods, { env, fieldSelector: 'spec.nodeName!=' }), (pod) => pod.spec?.nodeName ?? '');
    const nodes = new SharedFeed(createInformer(api, Nodes, { env }), (node) => node.metadata?.name ?? '');
    return {
      pods: (nodeName, handlers) => pods.subscribe(nodeName, handlers),
      node: (nodeName, handlers) => nodes.subscribe(nodeName, handlers),
      services,
      configMaps,
      secrets,
      stop: () => {
        stop();
        pods.stop();
        nodes.stop();
      },
    };
  }
  return {
    pods: (nodeName, handlers) => ownFeed(createInformer(api, Pods, { env, fieldSelector: `spec.nodeName=${nodeName}` }), handlers),
    node: (nodeName, handlers) => ownFeed(createInformer(api, Nodes, { env, fieldSelector: `metadata.name=${nodeName}` }), handlers),
    services,
    configMaps,
    secrets,
    stop,
  };
}
