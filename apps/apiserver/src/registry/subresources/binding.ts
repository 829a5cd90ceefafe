import type { KubeObject } from '@orrery/apimachinery';
import type { Binding, Pod, PodCondition } from '@orrery/api/types';
import { badRequest, conflict, type FieldError, fieldError, notFound, StatusError } from '@orrery/errors';
import { rfc3339 } from '@orrery/runtime';
import { admission } from '../admission-chain.ts';
import { guaranteedUpdate } from '../commit.ts';
import type { Registry, RequestScope } from '../registry.ts';
import { type SubresourceInput, success } from './handler.ts';

const podBinding = { group: '', resource: 'pods/binding' };

/** Upstream's storage judges bindings itself, so its refusal is no 422. */
function validate(binding: Binding): void {
  const errors: FieldError[] = [];
  const { kind = '', name: node } = binding.target ?? {};
  if (kind !== '' && kind !== 'Node') errors.push(fieldError.notSupported('target.kind', kind, ['Node', '<empty>']));
  if (!node) errors.push(fieldError.required('target.name'));
  const lines = errors.map(({ field, message }) => `${field}: ${message}`);
  if (lines.length > 0) throw new StatusError({ code: 500, message: lines.length === 1 ? (lines[0] ?? '') : `[${lines.join(', ')}]` });
}

function refusal(pod: Pod): string | undefined {
  const name = pod.metadata?.name ?? '';
  if (pod.metadata?.deletionTimestamp) return `pod ${name} is being deleted, cannot be assigned to a host`;
  if (pod.spec?.nodeName) return `pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`;
  if (pod.spec?.schedulingGates?.length) return `pod ${name} has non-empty .spec.schedulingGates`;
  return undefined;
}

function scheduled(conditions: readonly PodCondition[] | undefined, now: string): PodCondition[] {
  const done: PodCondition = { type: 'PodScheduled', status: 'True', lastTransitionTime: now };
  const known = (conditions ?? []).some((c) => c.type === done.type);
  return known ? (conditions ?? []).map((c) => (c.type === done.type ? done : c)) : [...(conditions ?? []), done];
}

/** Labels of the binding (those of its node's place) fill in what the pod does not have; a nomination is over. */
function bound(pod: Pod, binding: Binding, now: string): Pod {
  const { annotations, labels } = binding.metadata ?? {};
  const metadata = {
    ...pod.metadata,
    ...(annotations ? { annotations: { ...pod.metadata?.annotations, ...annotations } } : {}),
    ...(labels ? { labels: { ...labels, ...pod.metadata?.labels } } : {}),
  };
  const spec = { ...pod.spec, nodeName: binding.target?.name } as Pod['spec'];
  const { nominatedNodeName: _, ...status } = pod.status ?? {};
  return { ...pod, metadata, spec, status: { ...status, conditions: scheduled(status.conditions, now) } } as Pod;
}

/** POST pods/binding (and the older bindings): puts the pod on a node, once. */
export async function bind(registry: Registry, scope: RequestScope, input: SubresourceInput): Promise<object> {
  const binding = input.object as unknown as Binding;
  const name = scope.info.name || (binding.metadata?.name ?? '');
  if (binding.metadata?.name && binding.metadata.name !== name) throw badRequest('name in URL does not match name in Binding object');
  validate(binding);
  const kind = registry.kinds.get('', 'v1', 'pods');
  if (!kind) throw notFound({ group: '', resource: 'pods', name });
  const check = admission(registry, { ...scope, kind }, { operation: 'CREATE', object: binding, oldObject: undefined, name, options: input.options, subresource: 'binding', objectKind: { group: '', version: 'v1', kind: 'Binding' } });
  await check.admit();
  await check.validate();
  const { uid, resourceVersion } = binding.metadata ?? {};
  await guaranteedUpdate(registry, {
    kind,
    namespace: scope.info.namespace,
    name,
    dryRun: input.options.dryRun,
    decide: (current) => {
      if (!current) throw notFound({ group: '', resource: 'pods', name });
      const pod = current.object as Pod;
      if (uid && uid !== pod.metadata?.uid) throw conflict({ ...podBinding, name }, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata?.uid ?? ''}`);
      if (resourceVersion && resourceVersion !== String(current.revision)) {
        throw conflict({ ...podBinding, name }, `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${current.revision}`);
      }
      const why = refusal(pod);
      if (why) throw conflict({ ...podBinding, name }, why);
      return { action: 'put', draft: bound(pod, binding, rfc3339(registry.env.clock.now())) as KubeObject };
    },
  });
  return success();
}
