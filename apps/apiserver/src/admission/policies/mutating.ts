import { DecodeError, type KindDescriptor } from '@orrery/api';
import type { MutatingAdmissionPolicy } from '@orrery/api/types';
import { type KubeObject, type ObjectSchema } from '@orrery/apimachinery';
import { StatusError, forbidden, internalError, serviceUnavailable } from '@orrery/errors';
import { type AdmissionAttributes, Recalls } from '../../pipeline/index.ts';
import { Asking } from '../expressions/asking.ts';
import type { Inputs } from '../expressions/evaluation.ts';
import { inputsOf, namespaceOf } from '../expressions/inputs.ts';
import { subjectOf } from '../match.ts';
import { rewrite } from '../webhooks/rewrite.ts';
import { prepareReview, schemaFor } from '../webhooks/version.ts';
import type { Binding, Hook } from './hooks.ts';
import { type Invocation, type Needs, collect } from './invocations.ts';
import type { Check } from './metrics.ts';
import { type CompiledPolicy, type Mutation, MutationFailure, applyMutation, compiledPolicy, evaluateMutation, policyMatches } from './mutating-policy.ts';

type Policy = MutatingAdmissionPolicy;

interface Denial {
  readonly policy: Policy;
  readonly binding?: Binding;
  readonly message: string;
  /** In place of Forbidden. */
  readonly reason?: string;
}

const nameOf = (object: { metadata?: { name?: string; namespace?: string } }): string => object.metadata?.name ?? '';

function textOf({ policy, binding, message }: Denial): string {
  const who = binding ? `policy '${nameOf(policy)}' with binding '${nameOf(binding)}'` : `policy ${JSON.stringify(nameOf(policy))}`;
  return `${who} denied request: ${message}`;
}

/** Upstream leaves the code at 403, whatever the reason. */
function refusal(attributes: AdmissionAttributes, denials: readonly Denial[]): StatusError {
  const [first] = denials;
  const { status } = forbidden(subjectOf(attributes), '');
  const texts = denials.map(textOf);
  return new StatusError({ code: 403, reason: first?.reason ?? 'Forbidden', message: texts[0] ?? '', details: { ...status.details, causes: texts.map((message) => ({ message })) } });
}

/** Tells evaluations apart, for reinvocation. */
function idOf({ policy, binding, params }: Invocation<Policy>): string {
  return [nameOf(policy), nameOf(binding), params?.metadata?.namespace ?? '', params ? nameOf(params) : ''].join('\n');
}

/** One write on its way through all mutating policies. */
class Mutating {
  readonly denials: Denial[] = [];
  private readonly attributes: AdmissionAttributes;
  private readonly context: { readonly needs: Needs; readonly observe: (check: Check) => void; readonly asking: Asking; readonly recalls: Recalls };
  private readonly namespace: Awaited<ReturnType<typeof namespaceOf>>;

  constructor(attributes: AdmissionAttributes, context: Mutating['context'], namespace: Mutating['namespace']) {
    this.attributes = attributes;
    this.context = context;
    this.namespace = namespace;
  }

  async run(invocation: Invocation<Policy>): Promise<void> {
    const { recalls, asking } = this.context;
    const { attributes } = this;
    const policy = compiledPolicy(invocation.policy);
    await prepareReview(attributes, invocation.kind);
    const { matches, error } = await asking.settle(() => policyMatches(policy, this.inputs(invocation)));
    if (error !== undefined) return this.deny(invocation, error);
    const id = idOf(invocation);
    if (!matches || (attributes.reinvocation.isSecond && !recalls.isWanted(id))) return;
    let changed = false;
    for (const mutation of policy.mutations) if (attributes.object !== undefined && (await this.mutate(invocation, policy, mutation))) changed = true;
    if (changed) {
      recalls.changed();
      attributes.reinvocation.request();
    }
    if (invocation.policy.spec?.reinvocationPolicy === 'IfNeeded') recalls.remember(id);
  }

  /** True when it changed the object. */
  private async mutate(invocation: Invocation<Policy>, policy: CompiledPolicy, mutation: Mutation): Promise<boolean> {
    const { asking, needs, observe } = this.context;
    const { kind, binding } = invocation;
    const start = needs.env.clock.monotonic();
    const seen = (action: Check['action'], error: Check['error']): void =>
      observe({ policy: nameOf(invocation.policy), binding: nameOf(binding), action, error, elapsedMs: needs.env.clock.monotonic() - start });
    try {
      const schema = this.schemaOf(kind);
      await prepareReview(this.attributes, kind);
      const inputs = this.inputs(invocation);
      const value = await asking.settle(() => evaluateMutation(policy, mutation, inputs));
      const changed = await rewrite(this.attributes, kind, applyMutation(mutation, value, { object: inputs.object as KubeObject, schema }));
      seen('allow', 'no_error');
      return changed;
    } catch (error) {
      if (error instanceof DecodeError) throw internalError(error);
      if (!(error instanceof MutationFailure)) throw error;
      seen('deny', error.kind);
      this.deny(invocation, error.message);
      return false;
    }
  }

  private schemaOf(kind: KindDescriptor): ObjectSchema {
    const schema = schemaFor(this.attributes, kind);
    if (schema) return schema;
    const { group, version, kind: name } = this.attributes.objectKind;
    throw serviceUnavailable(`Resource kind ${group}/${version}, Kind=${name} not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.`);
  }

  private inputs({ kind, params }: Invocation<Policy>): Inputs {
    return inputsOf(this.attributes, kind, { namespace: this.namespace, params, asking: this.context.asking });
  }

  private deny({ policy, binding }: Invocation<Policy>, message: string): void {
    this.denials.push({ policy, binding, message, reason: 'Invalid' });
  }
}

/**
 * Lets every mutating policy that a write concerns change its object, one after the other. What fails closed is told when
 * all have had their turn, as upstream does. Throws StatusError.
 */
export async function mutate(hooks: readonly Hook<Policy>[], attributes: AdmissionAttributes, { needs, observe }: { needs: Needs; observe: (check: Check) => void }): Promise<void> {
  const { invocations, problems } = await collect(hooks, attributes, needs);
  const recalls = attributes.reinvocation.state('MutatingAdmissionPolicy', () => new Recalls());
  if (attributes.reinvocation.isSecond) recalls.compare(attributes.object);
  const denials: Denial[] = [...problems];
  if (invocations.length) {
    const asking = new Asking(needs.authorize, attributes.user);
    const run = new Mutating(attributes, { needs, observe, asking, recalls }, await namespaceOf(attributes, needs));
    for (const invocation of invocations) await run.run(invocation);
    denials.push(...run.denials);
  }
  recalls.leave(attributes.object);
  const closed = denials.filter(({ policy }) => policy.spec?.failurePolicy !== 'Ignore');
  if (closed.length) throw refusal(attributes, closed);
}
