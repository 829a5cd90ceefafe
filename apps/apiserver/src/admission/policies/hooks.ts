import {
  MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings, ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings,
} from '@orrery/api';
import type { MatchCondition, MatchResources, ParamKind, ParamRef, Variable } from '@orrery/api/types';
import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { ObjectReader } from '../../pipeline/index.ts';

/** What policies of both sorts have in common. */
export interface Policy extends KubeObject {
  readonly spec?: {
    readonly paramKind?: ParamKind;
    readonly matchConstraints?: MatchResources;
    readonly matchConditions?: readonly MatchCondition[];
    readonly variables?: readonly Variable[];
    readonly failurePolicy?: string;
  };
}

export interface Binding extends KubeObject {
  readonly spec?: {
    readonly policyName?: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
    readonly validationActions?: readonly string[];
  };
}

/** A policy and what puts it into force. One without bindings does nothing. */
export interface Hook<P extends Policy> {
  readonly policy: P;
  readonly bindings: readonly Binding[];
}

const nameOf = (object: KubeObject): string => object.metadata?.name ?? '';
const byName = (a: KubeObject, b: KubeObject): number => (nameOf(a) < nameOf(b) ? -1 : 1);

function join<P extends Policy>(policies: readonly P[], bindings: readonly Binding[]): Hook<P>[] {
  const groups = Map.groupBy(bindings, ({ spec }) => spec?.policyName ?? '');
  return [...policies].sort(byName).flatMap((policy) => {
    const own = groups.get(nameOf(policy));
    return own ? [{ policy, bindings: own.sort(byName) }] : [];
  });
}

/** The policies in force, in the order of their names; put together again after each change of any of them. */
function hooksOf<P extends Policy>(read: ObjectReader, policies: ResourceRef<P>, bindings: ResourceRef<Binding>): () => readonly Hook<P>[] {
  let known: readonly Hook<P>[] | undefined;
  const forget = (): void => void (known = undefined);
  read.onChange(policies, forget);
  read.onChange(bindings, forget);
  return () => (known ??= join(read.list(policies), read.list(bindings)));
}

export const validatingHooks = (read: ObjectReader) => hooksOf(read, ValidatingAdmissionPolicies, ValidatingAdmissionPolicyBindings as ResourceRef<Binding>);
export const mutatingHooks = (read: ObjectReader) => hooksOf(read, MutatingAdmissionPolicies, MutatingAdmissionPolicyBindings as ResourceRef<Binding>);
