import type { KindDescriptor } from '@orrery/api';
import type { ValidatingAdmissionPolicy } from '@orrery/api/types';
import { StatusError, forbidden } from '@orrery/errors';
import type { AdmissionAttributes } from '../../pipeline/index.ts';
import { Asking } from '../expressions/asking.ts';
import type { Inputs } from '../expressions/evaluation.ts';
import { inputsOf, namespaceOf } from '../expressions/inputs.ts';
import { subjectOf } from '../match.ts';
import { prepareReview } from '../webhooks/version.ts';
import type { Binding, Hook } from './hooks.ts';
import { type Invocation, type Needs, collect } from './invocations.ts';
import type { Check } from './metrics.ts';
import { type Decision, type Verdict, compiledPolicy, evaluatePolicy } from './validating-policy.ts';

type Policy = ValidatingAdmissionPolicy;

interface Denial {
  readonly policy: Policy;
  readonly binding?: Binding;
  readonly message: string;
  readonly reason: string;
}

const maxAnnotationBytes = 10 * 1024;
const codes: Readonly<Record<string, number>> = { Forbidden: 403, Unauthorized: 401, RequestEntityTooLarge: 413 };
const nameOf = (object: { metadata?: { name?: string } }): string => object.metadata?.name ?? '';

function refusal(attributes: AdmissionAttributes, { policy, binding, message, reason }: Denial): StatusError {
  const by = binding ? ` with binding '${nameOf(binding)}'` : '';
  const text = `ValidatingAdmissionPolicy '${nameOf(policy)}'${by} denied request: ${message}`;
  const { status } = forbidden(subjectOf(attributes), text);
  const why = reason || 'Invalid';
  return new StatusError({ code: codes[why] ?? 422, reason: why, message: status.message ?? text, details: { ...status.details, causes: [{ message: text }] } });
}

/** Values of audit annotations by key: what several bindings or params say differently is listed. */
class AnnotationValues {
  private readonly values = new Map<string, Set<string>>();

  add(policy: string, key: string, value: string): void {
    const name = `${policy}/${key}`;
    const known = this.values.get(name) ?? new Set<string>();
    this.values.set(name, known.add(Buffer.from(value).subarray(0, maxAnnotationBytes).toString()));
  }

  publish(attributes: AdmissionAttributes): void {
    for (const [name, values] of this.values) attributes.annotate(name, [...values].join(', '));
  }
}

/** One write on its way through all validating policies. */
class Validating {
  readonly denials: Denial[] = [];
  readonly annotations = new AnnotationValues();
  private readonly attributes: AdmissionAttributes;
  private readonly observe: (check: Check) => void;

  constructor(attributes: AdmissionAttributes, observe: (check: Check) => void) {
    this.attributes = attributes;
    this.observe = observe;
  }

  apply(invocation: Invocation<Policy>, verdict: Verdict, elapsedMs: number): void {
    for (const [index, decision] of verdict.decisions.entries()) this.act(invocation, { decision, index, elapsedMs });
    const { policy, binding } = invocation;
    for (const { key, value, error } of verdict.annotations) {
      if (error === undefined) this.annotations.add(nameOf(policy), key, value);
      else {
        this.denials.push({ policy, binding, message: error, reason: '' });
        this.observe({ policy: nameOf(policy), binding: nameOf(binding), error: 'invalid_error', action: 'deny', elapsedMs });
      }
    }
  }

  /** What the binding wants done about a decision. */
  private act({ policy, binding }: Invocation<Policy>, { decision, index, elapsedMs }: { decision: Decision; index: number; elapsedMs: number }): void {
    const seen = (action: Check['action']): void => this.observe({ policy: nameOf(policy), binding: nameOf(binding), error: decision.error, action, elapsedMs });
    if (decision.action === 'admit') {
      if (decision.error !== 'no_error') seen('allow');
      return;
    }
    for (const action of binding.spec?.validationActions ?? []) {
      if (action === 'Deny') {
        this.denials.push({ policy, binding, message: decision.message, reason: decision.reason });
        seen('deny');
      } else if (action === 'Audit') {
        this.audit(binding, decision, index);
        seen('audit');
      } else if (action === 'Warn') {
        this.attributes.warn(`Validation failed for ValidatingAdmissionPolicy '${nameOf(policy)}' with binding '${nameOf(binding)}': ${decision.message}`);
        seen('warn');
      }
    }
  }

  private audit(binding: Binding, { message }: Decision, expressionIndex: number): void {
    const failure = { message, policy: binding.spec?.policyName ?? '', binding: nameOf(binding), expressionIndex, validationActions: binding.spec?.validationActions ?? [] };
    this.attributes.annotate('validation.policy.admission.k8s.io/validation_failure', JSON.stringify([failure]));
  }
}

/** Asks every validating policy that a write concerns; the first denial is told. Throws StatusError. */
export async function validate(hooks: readonly Hook<Policy>[], attributes: AdmissionAttributes, { needs, observe }: { needs: Needs; observe: (check: Check) => void }): Promise<void> {
  const { invocations, problems } = await collect(hooks, attributes, needs);
  const closed = problems.filter(({ policy }) => policy.spec?.failurePolicy !== 'Ignore');
  if (!invocations.length && !closed.length) return;
  const order = hooks.map(({ policy }) => policy);
  const run = new Validating(attributes, observe);
  if (invocations.length) {
    const namespace = await namespaceOf(attributes, needs);
    const asking = new Asking(needs.authorize, attributes.user);
    const seenAs = new Map<KindDescriptor, Inputs>();
    for (const { kind } of invocations) {
      if (seenAs.has(kind)) continue;
      await prepareReview(attributes, kind);
      seenAs.set(kind, inputsOf(attributes, kind, { namespace, params: undefined, asking }));
    }
    for (const invocation of invocations) {
      const inputs: Inputs = { ...(seenAs.get(invocation.kind) as Inputs), params: invocation.params ?? null };
      const policy = compiledPolicy(invocation.policy);
      const start = needs.env.clock.monotonic();
      const verdict = await asking.settle(() => evaluatePolicy(policy, inputs));
      run.apply(invocation, verdict, needs.env.clock.monotonic() - start);
    }
  }
  run.annotations.publish(attributes);
  const denials = [...closed.map((problem) => ({ ...problem, reason: '' })), ...run.denials].sort((a, b) => order.indexOf(a.policy) - order.indexOf(b.policy));
  if (denials[0]) throw refusal(attributes, denials[0]);
}
