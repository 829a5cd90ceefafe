import { EndpointSlices, IngressClasses, Ingresses, Secrets, Services } from '@orrery/api';
import type { EndpointSlice, Ingress, IngressClass } from '@orrery/api/types';
import { type ApiClient, createEventRecorder, createInformerFactory } from '@orrery/client';
import { isAlreadyExists } from '@orrery/errors';
import { type Component, type Env, latencyBuckets } from '@orrery/runtime';
import type { IngressConfig } from './config.ts';
import type { ProxyHandlers, ProxyRequest, ReverseProxy, Verdict } from './proxy.ts';
import { hostOf } from './routing/paths.ts';
import { type RoutingTable, buildTable, isOurs } from './routing/table.ts';
import { publishAddress } from './status.ts';

export { ingressSchema } from './config.ts';
export type * from './proxy.ts';

export interface IngressDeps {
  readonly api: ApiClient;
  readonly proxy: ReverseProxy;
}

function ingressClass(config: IngressConfig): IngressClass {
  const annotations: Record<string, string> = config.watchIngressWithoutClass ? { 'ingressclass.kubernetes.io/is-default-class': 'true' } : {};
  return { apiVersion: 'networking.k8s.io/v1', kind: 'IngressClass', metadata: { name: config.ingressClass, annotations }, spec: { controller: config.controllerClass } };
}

/** The ingress controller: routes requests from this machine to the endpoints of Services, by Ingress rules. */
export function createIngress(env: Env, deps: IngressDeps, config: IngressConfig): Component & { endpoints(): { http: string; https: string } } {
  const { api, proxy } = deps;
  const informers = createInformerFactory({ api, env });
  const ingresses = informers.informer(Ingresses);
  const classes = informers.informer(IngressClasses);
  const services = informers.informer(Services);
  const slices = informers.informer(EndpointSlices, {
    indexers: { ingressService: (slice: EndpointSlice) => [`${slice.metadata?.namespace ?? ''}/${slice.metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`] },
  });
  const secrets = informers.informer(Secrets, { fieldSelector: 'type=kubernetes.io/tls' });
  const recorder = createEventRecorder(env, { api, component: 'nginx-ingress-controller' });
  const requests = env.metrics.counter('nginx_ingress_controller_requests', 'The total number of client requests');
  const seconds = env.metrics.histogram('nginx_ingress_controller_request_duration_seconds', 'The request processing time in seconds', latencyBuckets);
  let table: RoutingTable | undefined;
  let turn = 0;
  let address = '';
  let bound = { http: '', https: '' };
  let serving = false;

  const current = (): RoutingTable =>
    (table ??= buildTable(
      {
        ingresses: [...ingresses.list()],
        classes: [...classes.list()],
        service: (namespace, name) => services.get(`${namespace}/${name}`),
        slices: (namespace, name) => [...slices.byIndex('ingressService', `${namespace}/${name}`)],
        secret: (namespace, name) => secrets.get(`${namespace}/${name}`),
      },
      config.controllerClass,
    ));
  const invalidate = (): void => void (table = undefined);

  const decide = ({ host, target, secure }: ProxyRequest): Verdict => {
    const route = current().route(hostOf(host), target.split('?')[0] ?? '/');
    if (!route) return { kind: 'reply', status: 404, body: 'default backend - 404' };
    if (route.redirectToTls && !secure) {
      const port = bound.https.split(':').at(-1);
      return { kind: 'redirect', location: `https://${hostOf(host)}${port === '443' ? '' : `:${port ?? ''}`}${target}` };
    }
    if (route.endpoints.length === 0) return { kind: 'reply', status: 503, body: '503 Service Temporarily Unavailable' };
    const at = turn++ % route.endpoints.length;
    return { kind: 'forward', ingress: route.ingress, endpoints: [...route.endpoints.slice(at), ...route.endpoints.slice(0, at)] };
  };
  const handlers: ProxyHandlers = {
    decide,
    certificate: (serverName) => current().certificate(serverName),
    done({ ingress, status, seconds: took }) {
      requests.inc({ ingress, status: String(status) });
      seconds.observe(took, { ingress });
    },
  };
  const served = (ingress: Ingress): boolean => serving && isOurs(ingress, [...classes.list()], config.controllerClass);
  const publish = (ingress: Ingress): void => {
    if (!served(ingress)) return;
    publishAddress(api, ingress, address).catch((error: unknown) => env.log.warn('cannot write the status of an ingress', { error }));
  };

  for (const informer of [ingresses, classes, secrets]) informer.addHandlers({ add: invalidate, update: invalidate, delete: invalidate });
  ingresses.addHandlers({
    add(ingress) {
      publish(ingress);
      if (served(ingress)) recorder.event(Ingresses, ingress, { type: 'Normal', reason: 'Sync', message: 'Scheduled for sync' });
    },
    update: publish,
  });

  return {
    name: 'ingress',
    async start(signal) {
      informers.start();
      await informers.whenSynced(signal);
      await api.create(IngressClasses, ingressClass(config)).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error;
      });
      bound = await proxy.start(handlers);
      address = config.publishStatusAddress || config.host;
      serving = true;
      for (const ingress of ingresses.list()) publish(ingress);
    },
    async stop() {
      serving = false;
      await proxy.stop();
      await recorder.flush();
      informers.stop();
    },
    ready: () => serving && informers.synced(),
    endpoints: () => bound,
  };
}
