import { type CheckedKind, CustomResourceDefinitions, type KindSource, ValidatingAdmissionPolicies, allKinds, builtInObjectType, customObjectType, expressionWarnings } from '@orrery/api';
import type { CustomResourceDefinition, ValidatingAdmissionPolicy } from '@orrery/api/types';
import { keyOf } from '@orrery/client';
import { defineController, watch } from '@orrery/controller';

type Status = NonNullable<ValidatingAdmissionPolicy['status']>;

const manager = 'validatingadmissionpolicy-status';

function customKinds({ spec }: CustomResourceDefinition): (CheckedKind & { readonly resource: string })[] {
  if (!spec) return [];
  const { group, names, versions } = spec;
  return versions.filter(({ served }) => served).map(({ name: version, schema }) => {
    const type = schema?.openAPIV3Schema && customObjectType(names.kind, schema.openAPIV3Schema as Readonly<Record<string, unknown>>);
    return { group, version, kind: names.kind, resource: names.plural, type };
  });
}

/** Built-in kinds, and those of the definitions there are. */
export function kindSource(definitions: Iterable<CustomResourceDefinition>): KindSource {
  const find = (group: string, version: string, matches: (kind: { kind: string; resource: string }) => boolean): CheckedKind | undefined => {
    const own = allKinds.find((kind) => kind.group === group && kind.version === version && matches(kind));
    if (own) return { group, version, kind: own.kind, type: builtInObjectType(own.definition) };
    for (const definition of definitions) {
      const found = definition.spec?.group === group ? customKinds(definition).find((kind) => kind.version === version && matches(kind)) : undefined;
      if (found) return found;
    }
    return undefined;
  };
  return {
    byResource: (group, version, resource) => find(group, version, (kind) => kind.resource === resource),
    byKind: (group, version, name) => find(group, version, ({ kind }) => kind === name),
  };
}

/** The status that type checking gives a policy; undefined when it was checked as it is. */
export function plan(policy: ValidatingAdmissionPolicy, source: KindSource): Status | undefined {
  const generation = policy.metadata?.generation ?? 0;
  if (generation <= (policy.status?.observedGeneration ?? 0)) return undefined;
  const warnings = expressionWarnings(policy, source);
  return { observedGeneration: generation, typeChecking: warnings.length ? { expressionWarnings: warnings } : {} };
}

/** Type-checks the expressions of validating admission policies and writes what it finds into their status. */
export const validatingAdmissionPolicyStatusController = defineController<ValidatingAdmissionPolicy>({
  name: 'validatingadmissionpolicy-status-controller',
  queue: 'validatingadmissionpolicy-status',
  for: ValidatingAdmissionPolicies,
  watches: [
    watch(ValidatingAdmissionPolicies, function* ({ object }) {
      if (object) yield keyOf(object);
    }),
    watch(CustomResourceDefinitions, function* () {
      // Only looked up: a policy is checked once a generation, as upstream does.
    }),
  ],
  async reconcile(key, { api, store }) {
    const policy = store(ValidatingAdmissionPolicies).get(key);
    const status = policy && plan(policy, kindSource(store(CustomResourceDefinitions).list()));
    if (!policy || !status) return;
    const patch = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingAdmissionPolicy', metadata: { name: policy.metadata?.name ?? '' }, status };
    await api.patch(ValidatingAdmissionPolicies, { name: policy.metadata?.name ?? '' }, patch, { type: 'application/apply-patch+yaml', subresource: 'status', fieldManager: manager, force: true });
  },
});
