import { RuntimeClasses } from '@orrery/api';
import type { Pod, PodSpec, RuntimeClass, Toleration } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { forbidden, isNotFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { creates, subjectOf, wants } from './match.ts';

async function classOf(context: Pick<PluginContext, 'read' | 'api'>, attributes: AdmissionAttributes): Promise<RuntimeClass | undefined> {
  const name = (attributes.object as Pod).spec?.runtimeClassName;
  if (!name) return undefined;
  try {
    return context.read.get(RuntimeClasses, { name }) ?? (await context.api.get(RuntimeClasses, { name }));
  } catch (error) {
    throw isNotFound(error) ? forbidden(subjectOf(attributes), `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`) : error;
  }
}

const sameToleration = (a: Toleration, b: Toleration): boolean => JSON.stringify([a.key, a.operator, a.value, a.effect, a.tolerationSeconds]) === JSON.stringify([b.key, b.operator, b.value, b.effect, b.tolerationSeconds]);

function applyScheduling(spec: PodSpec, found: RuntimeClass, attributes: AdmissionAttributes): void {
  const { nodeSelector = {}, tolerations = [] } = found.scheduling ?? {};
  for (const [key, value] of Object.entries(nodeSelector)) {
    if (spec.nodeSelector?.[key] !== undefined && spec.nodeSelector[key] !== value) {
      throw forbidden(subjectOf(attributes), `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${spec.nodeSelector[key]}`);
    }
  }
  if (Object.keys(nodeSelector).length) spec.nodeSelector = { ...spec.nodeSelector, ...nodeSelector };
  const missing = tolerations.filter((one) => !spec.tolerations?.some((own) => sameToleration(own, one)));
  if (missing.length) spec.tolerations = [...(spec.tolerations ?? []), ...missing.map((one) => ({ ...one }))];
}

/** Adds what a runtime class costs and where it runs. */
export function runtimeClass(context: Pick<PluginContext, 'read' | 'api'>): AdmissionPlugin {
  return {
    name: 'RuntimeClass',
    handles: wants(creates('pods')),
    async admit(attributes) {
      const { spec } = attributes.object as Pod;
      if (!spec) return;
      const found = await classOf(context, attributes);
      const overhead = found?.overhead?.podFixed;
      if (overhead) {
        if (spec.overhead && !deepEqual(spec.overhead, overhead)) {
          throw forbidden(subjectOf(attributes), "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
        }
        spec.overhead = { ...overhead };
      }
      if (found?.scheduling) applyScheduling(spec, found, attributes);
    },
    validate(attributes) {
      const { spec } = attributes.object as Pod;
      if (!spec?.overhead || !Object.keys(spec.overhead).length || spec.runtimeClassName) return;
      throw forbidden(subjectOf(attributes), 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead');
    },
  };
}
