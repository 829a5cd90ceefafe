import { Namespaces } from '@orrery/api';
import type { Namespace, Pod, Toleration } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { forbidden, internalError } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { createsOrUpdates, subjectOf, wants } from './match.ts';

const defaultsAnnotation = 'scheduler.alpha.kubernetes.io/defaultTolerations';
const allowedAnnotation = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist';

/** Undefined: the namespace says nothing; an empty list says that there are none. */
function tolerationsOf({ metadata }: Namespace, annotation: string): Toleration[] | undefined {
  const text = metadata?.annotations?.[annotation];
  if (text === undefined) return undefined;
  if (text === '') return [];
  try {
    return JSON.parse(text) as Toleration[];
  } catch (error) {
    throw internalError(error);
  }
}

/** Does `wide` tolerate whatever `narrow` does? */
function covers(wide: Toleration, narrow: Toleration): boolean {
  if (wide.key && wide.key !== narrow.key) return false;
  if (wide.effect && wide.effect !== narrow.effect) return false;
  if (wide.effect === 'NoExecute' && wide.tolerationSeconds !== undefined && (narrow.tolerationSeconds === undefined || narrow.tolerationSeconds > wide.tolerationSeconds)) return false;
  if (wide.operator === 'Exists') return true;
  return (narrow.operator ?? 'Equal') === 'Equal' && (wide.value ?? '') === (narrow.value ?? '');
}

/** The namespace's tolerations, then the pod's that say more. */
function merge(first: readonly Toleration[], second: readonly Toleration[]): Toleration[] {
  const all = [...first, ...second];
  return all.filter((one, i) => !all.some((other, j) => i !== j && covers(other, one) && (j < i || !covers(one, other))) && all.findIndex((other) => deepEqual(other, one)) === i);
}

/** Pods tolerate by default what their namespace says, and no more than it allows. */
export function podTolerationRestriction({ read, api }: Pick<PluginContext, 'read' | 'api'>): AdmissionPlugin {
  const namespaceOf = async ({ namespace: name }: AdmissionAttributes): Promise<Namespace> => read.get(Namespaces, { name }) ?? (await api.get(Namespaces, { name }));
  return {
    name: 'PodTolerationRestriction',
    handles: wants(createsOrUpdates('pods')),
    async admit(attributes) {
      const { spec } = attributes.object as Pod;
      const added = attributes.operation === 'CREATE' ? tolerationsOf(await namespaceOf(attributes), defaultsAnnotation) : undefined;
      if (spec && added?.length) spec.tolerations = merge(added, spec.tolerations ?? []);
    },
    async validate(attributes) {
      const tolerations = (attributes.object as Pod).spec?.tolerations ?? [];
      const allowed = tolerations.length ? tolerationsOf(await namespaceOf(attributes), allowedAnnotation) : undefined;
      if (!allowed?.length || tolerations.every((one) => allowed.some((wide) => covers(wide, one)))) return;
      throw forbidden(subjectOf(attributes), 'pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist');
    },
  };
}
