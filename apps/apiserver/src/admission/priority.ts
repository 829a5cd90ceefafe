import { PriorityClasses } from '@orrery/api';
import type { Pod, PriorityClass } from '@orrery/api/types';
import { forbidden, isNotFound } from '@orrery/errors';
import type { AdmissionAttributes, AdmissionPlugin, PluginContext } from '../pipeline/index.ts';
import { createsOrUpdates, matches, subjectOf, wants } from './match.ts';

type Context = Pick<PluginContext, 'read' | 'api'>;

/** Of several default classes (a race could make them) the lowest counts. */
function defaultClass({ read }: Context): PriorityClass | undefined {
  return read
    .list(PriorityClasses)
    .filter((one) => one.globalDefault)
    .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
}

async function namedClass({ read, api }: Context, attributes: AdmissionAttributes, name: string): Promise<PriorityClass> {
  const cached = read.get(PriorityClasses, { name });
  if (cached) return cached;
  try {
    return await api.get(PriorityClasses, { name });
  } catch (error) {
    throw isNotFound(error) ? forbidden(subjectOf(attributes), `no PriorityClass with name ${name} was found`) : error;
  }
}

async function admitPod(context: Context, attributes: AdmissionAttributes): Promise<void> {
  const { spec } = attributes.object as Pod;
  if (!spec) return;
  if (attributes.operation === 'UPDATE') {
    const old = (attributes.oldObject as Pod).spec;
    // Clients that do not know these fields must not lose them.
    if (spec.priority === undefined && old?.priority !== undefined) spec.priority = old.priority;
    if (spec.preemptionPolicy === undefined && old?.preemptionPolicy !== undefined) spec.preemptionPolicy = old.preemptionPolicy;
    return;
  }
  const found = spec.priorityClassName ? await namedClass(context, attributes, spec.priorityClassName) : defaultClass(context);
  const priority = found?.value ?? 0;
  const policy = found?.preemptionPolicy ?? 'PreemptLowerPriority';
  if (found && !spec.priorityClassName) spec.priorityClassName = found.metadata?.name ?? '';
  if (spec.priority !== undefined && spec.priority !== priority) {
    throw forbidden(
      subjectOf(attributes),
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`,
    );
  }
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy) {
    throw forbidden(
      subjectOf(attributes),
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`,
    );
  }
  spec.priority = priority;
  spec.preemptionPolicy = policy;
}

function validateClass(context: Context, attributes: AdmissionAttributes): void {
  const object = attributes.object as PriorityClass;
  if (!object.globalDefault || (attributes.oldObject as PriorityClass | undefined)?.globalDefault) return;
  const existing = defaultClass(context);
  if (existing && existing.metadata?.name !== attributes.name) {
    throw forbidden(subjectOf(attributes), `PriorityClass ${existing.metadata?.name} is already marked as default. Only one default can exist`);
  }
}

/** Resolves priority class names to numbers. */
export function priority(context: Context): AdmissionPlugin {
  const classes = createsOrUpdates('priorityclasses', 'scheduling.k8s.io');
  return {
    name: 'Priority',
    handles: wants(createsOrUpdates('pods'), classes),
    admit: (attributes) => (attributes.kind.resource === 'pods' ? admitPod(context, attributes) : undefined),
    validate: (attributes) => (matches(attributes, classes) ? validateClass(context, attributes) : undefined),
  };
}
