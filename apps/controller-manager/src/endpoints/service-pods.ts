import { Pods, Services } from '@orrery/api';
import type { ObjectReference, Pod, Service, ServicePort } from '@orrery/api/types';
import type { KubeObject } from '@orrery/apimachinery';
import { type Labels, type Matcher, deepEqual, keyOf, labelMapMatcher } from '@orrery/client';
import { type ControllerContext, type Watch, watch } from '@orrery/controller';
import { isReady, isTerminal } from '../pods/pod-state.ts';

export const headlessLabel = 'service.kubernetes.io/headless';
export const triggerTimeAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time';

/** Does a controller look after this Service's endpoints? Not without selector, nor for an alias of another name. */
export function hasSelector(service: Service): boolean {
  return service.spec?.type !== 'ExternalName' && Object.keys(service.spec?.selector ?? {}).length > 0;
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** The number behind a Service port on one pod; a named target is looked up among its containers. */
export function targetPortOf(pod: Pod, { targetPort, port, protocol = 'TCP' }: ServicePort): number | undefined {
  if (targetPort === undefined || targetPort === 0 || targetPort === '') return port;
  if (typeof targetPort === 'number') return targetPort;
  const restartable = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === 'Always');
  for (const container of [...(pod.spec?.containers ?? []), ...restartable]) {
    const found = container.ports?.find((candidate) => candidate.name === targetPort && (candidate.protocol ?? 'TCP') === protocol);
    if (found) return found.containerPort;
  }
  return undefined;
}

export function podReference(pod: Pod): ObjectReference {
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
  return { kind: 'Pod', namespace, name, uid };
}

/** The name a pod answers to under a headless Service that is its subdomain. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {};
  return hostname && subdomain === service.metadata?.name && pod.metadata?.namespace === service.metadata?.namespace ? hostname : undefined;
}

const selectors = new WeakMap<Service, Matcher<Labels | undefined>>();

function selectorOf(service: Service): Matcher<Labels | undefined> {
  let found = selectors.get(service);
  if (!found) selectors.set(service, (found = labelMapMatcher(service.spec?.selector)));
  return found;
}

/** Whether everything about a pod that endpoints show is the same. */
function showsAlike(a: Pod, b: Pod): boolean {
  return (
    a.metadata?.deletionTimestamp === b.metadata?.deletionTimestamp &&
    a.status?.podIP === b.status?.podIP &&
    a.spec?.nodeName === b.spec?.nodeName &&
    a.spec?.hostname === b.spec?.hostname &&
    isReady(a) === isReady(b) &&
    isTerminal(a) === isTerminal(b) &&
    deepEqual(a.status?.podIPs, b.status?.podIPs) &&
    deepEqual(a.metadata?.labels, b.metadata?.labels)
  );
}

const none: readonly string[] = [];

/** Enqueues the Services that select a pod, before or after its change, when the change can matter to them. */
export function watchPodsOfServices<State>(): Watch<KubeObject, State> {
  const keys = ({ object, old, gone }: { object: Pod; old: Pod | undefined; gone: boolean }, context: ControllerContext<State>): Iterable<string> => {
    if (old && !gone && showsAlike(object, old)) return none;
    let found: string[] | undefined;
    for (const service of context.store(Services).byIndex('namespace', object.metadata?.namespace ?? '')) {
      const matches = selectorOf(service);
      if (matches(object.metadata?.labels) || (old && matches(old.metadata?.labels))) (found ??= []).push(keyOf(service));
    }
    return found ?? none;
  };
  return watch<Pod, State>(Pods, keys);
}

/** The pods a Service selects. */
export function podsOf(context: Pick<ControllerContext, 'store'>, service: Service): Pod[] {
  const matches = selectorOf(service);
  return [...context.store(Pods).byIndex('namespace', service.metadata?.namespace ?? '')].filter((pod) => matches(pod.metadata?.labels));
}

/** Remembers when the pods of Services last became ready or not, to say since when a change was due. */
export function createTriggerTimes(): { next(service: Service, pods: readonly Pod[]): string | undefined; forget(key: string): void } {
  const known = new Map<string, Map<string, string>>();
  return {
    next(service, pods) {
      const key = keyOf(service);
      const before = known.get(key);
      const now = new Map<string, string>([['', service.metadata?.creationTimestamp ?? '']]);
      for (const pod of pods) {
        const at = pod.status?.conditions?.find((condition) => condition.type === 'Ready')?.lastTransitionTime;
        if (at) now.set(pod.metadata?.name ?? '', at);
      }
      known.set(key, now);
      let first: string | undefined;
      for (const [name, at] of now) if (at && (before?.get(name) ?? '') < at && (first === undefined || at < first)) first = at;
      return first;
    },
    forget: (key) => void known.delete(key),
  };
}
