import { approvalOf } from '@orrery/api';
import type { CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames, CustomResourceDefinitionStatus } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { rfc3339 } from '@orrery/runtime';

type Condition = CustomResourceDefinitionCondition;
type Facts = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

export function conditionOf(definition: CustomResourceDefinition, type: string): Condition | undefined {
  return (definition.status?.conditions ?? []).find((condition) => condition.type === type);
}

/** With a condition set; the time of the last transition stays while the status does. */
export function withCondition(conditions: readonly Condition[], facts: Facts, nowMs: number): Condition[] {
  const old = conditions.find((condition) => condition.type === facts.type);
  const lastTransitionTime = old && old.status === facts.status ? old.lastTransitionTime : rfc3339(nowMs);
  const next = { ...(lastTransitionTime ? { lastTransitionTime } : {}), ...facts } as Condition;
  return old ? conditions.map((condition) => (condition === old ? next : condition)) : [...conditions, next];
}

interface Taken {
  readonly resources: ReadonlySet<string>;
  readonly kinds: ReadonlySet<string>;
}

/** The names that other definitions of the group have been given. */
function takenNames(definition: CustomResourceDefinition, all: readonly CustomResourceDefinition[]): Taken {
  const others = all.filter((other) => other.spec?.group === definition.spec?.group && other.metadata?.name !== definition.metadata?.name);
  const accepted = others.flatMap((other) => (other.status?.acceptedNames ? [other.status.acceptedNames] : []));
  return {
    resources: new Set(accepted.flatMap((names) => [names.plural, names.singular ?? '', ...(names.shortNames ?? [])])),
    kinds: new Set(accepted.flatMap((names) => [names.kind, names.listKind ?? ''])),
  };
}

interface Verdict {
  readonly names: CustomResourceDefinitionNames;
  readonly accepted: Facts;
}

const inUse = (name: string): string => `${JSON.stringify(name)} is already in use`;

/** Names are accepted one by one: a conflict leaves the one accepted before, if any. */
function judge(definition: CustomResourceDefinition, taken: Taken): Verdict {
  const wanted = definition.spec?.names ?? { kind: '', plural: '' };
  const before = definition.status?.acceptedNames ?? { kind: '', plural: '' };
  const names: { -readonly [K in keyof CustomResourceDefinitionNames]: CustomResourceDefinitionNames[K] } = { ...before };
  let conflict: { reason: string; message: string } | undefined;
  const consider = <K extends 'plural' | 'singular' | 'kind' | 'listKind'>(name: K, reason: string, used: ReadonlySet<string>): void => {
    const value = wanted[name] ?? '';
    if (value !== (before[name] ?? '') && used.has(value)) conflict = { reason, message: inUse(value) };
    else if (value) names[name] = value;
  };
  consider('plural', 'PluralConflict', taken.resources);
  consider('singular', 'SingularConflict', taken.resources);
  const added = (wanted.shortNames ?? []).filter((name) => !before.shortNames?.includes(name) && taken.resources.has(name));
  if (added.length) conflict = { reason: 'ShortNamesConflict', message: added.length === 1 ? inUse(added[0] ?? '') : `[${added.map(inUse).join(', ')}]` };
  else if (wanted.shortNames?.length) names.shortNames = wanted.shortNames;
  else delete names.shortNames;
  consider('kind', 'KindConflict', taken.kinds);
  consider('listKind', 'ListKindConflict', taken.kinds);
  if (wanted.categories?.length) names.categories = wanted.categories;
  else delete names.categories;
  if (conflict) return { names, accepted: { type: 'NamesAccepted', status: 'False', ...conflict } };
  return { names, accepted: { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' } };
}

const verdicts = {
  missing: ['False', 'MissingAnnotation'],
  bypassed: ['False', 'UnapprovedAnnotation'],
  invalid: ['False', 'InvalidAnnotation'],
  approved: ['True', 'ApprovedAnnotation'],
} as const;

/** Of groups of the project itself: was the API reviewed? */
function approval(definition: CustomResourceDefinition): Facts | undefined {
  const found = approvalOf(definition);
  if (!found) return undefined;
  const [status, reason] = verdicts[found.state];
  return { type: 'KubernetesAPIApprovalPolicyConformant', status, reason, message: found.reason };
}

/**
 * The status that names and conditions of a definition should have among all others; undefined when it has. Established is
 * never taken back: who has been served stays served.
 */
export function plannedStatus(definition: CustomResourceDefinition, all: readonly CustomResourceDefinition[], nowMs: number): CustomResourceDefinitionStatus | undefined {
  const { names, accepted } = judge(definition, takenNames(definition, all));
  const isEstablished = conditionOf(definition, 'Established')?.status === 'True';
  const established: Facts =
    accepted.status === 'True'
      ? { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted' }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
  const approved = approval(definition);
  let conditions = withCondition(definition.status?.conditions ?? [], accepted, nowMs);
  if (!isEstablished) conditions = withCondition(conditions, established, nowMs);
  if (approved) conditions = withCondition(conditions, approved, nowMs);
  const status = { ...definition.status, acceptedNames: names, conditions };
  return deepEqual(status, definition.status) ? undefined : status;
}
