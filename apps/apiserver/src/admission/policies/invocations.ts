import type { KindDescriptor } from '@orrery/api';
import type { KubeObject } from '@orrery/apimachinery';
import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import type { Binding, Hook, Policy } from './hooks.ts';
import { matchResources } from './match.ts';
import { collectParams, paramKindOf } from './params.ts';

/** One evaluation of a policy that a write calls for. */
export interface Invocation<P extends Policy> {
  readonly policy: P;
  readonly binding: Binding;
  /** As which the policy sees the write. */
  readonly kind: KindDescriptor;
  readonly params: KubeObject | undefined;
}

/** A policy that cannot be evaluated; without binding the policy itself is at fault. */
export interface Misconfiguration<P extends Policy> {
  readonly policy: P;
  readonly binding?: Binding;
  readonly message: string;
}

export type Needs = Pick<PluginContext, 'env' | 'read' | 'kinds' | 'api' | 'authorize'>;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function byBinding<P extends Policy>(binding: Binding, about: { policy: P; kind: KindDescriptor; paramKind: KindDescriptor | undefined }, call: { attributes: AdmissionAttributes; needs: Needs }): Promise<Invocation<P>[]> {
  const { policy, kind, paramKind } = about;
  const { attributes, needs } = call;
  if (!matchResources(binding.spec?.matchResources, attributes, needs)) return [];
  const params = await collectParams(paramKind, binding.spec?.paramRef, { namespace: attributes.namespace, needs });
  return params.map((one) => ({ policy, binding, kind, params: one }));
}

/** All that a write calls for, policy by policy and binding by binding. matchConditions are asked later: they may look at the params. */
export async function collect<P extends Policy>(hooks: readonly Hook<P>[], attributes: AdmissionAttributes, needs: Needs): Promise<{ invocations: Invocation<P>[]; problems: Misconfiguration<P>[] }> {
  const invocations: Invocation<P>[] = [];
  const problems: Misconfiguration<P>[] = [];
  for (const { policy, bindings } of hooks) {
    let about: { policy: P; kind: KindDescriptor; paramKind: KindDescriptor | undefined };
    try {
      const kind = matchResources(policy.spec?.matchConstraints, attributes, needs);
      if (!kind) continue;
      about = { policy, kind, paramKind: paramKindOf(policy.spec?.paramKind, needs.kinds) };
    } catch (error) {
      problems.push({ policy, message: `failed to configure policy: ${messageOf(error)}` });
      continue;
    }
    for (const binding of bindings) {
      try {
        invocations.push(...(await byBinding(binding, about, { attributes, needs })));
      } catch (error) {
        problems.push({ policy, binding, message: `failed to configure binding: ${messageOf(error)}` });
      }
    }
  }
  return { invocations, problems };
}
