import { type KindDescriptor } from '@orrery/api';
import { forbidden } from '@orrery/errors';
import type { Counter } from '@orrery/runtime';
import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import { Asking } from '../expressions/asking.ts';
import { conditionsHold } from '../expressions/conditions.ts';
import { type NamedExpression, expression } from '../expressions/evaluation.ts';
import { inputsOf } from '../expressions/inputs.ts';
import { subjectOf } from '../match.ts';
import type { Invocation } from './call.ts';
import type { Caller } from './caller.ts';
import type { Hook } from './hook.ts';
import { matchHook } from './match.ts';
import type { Observer, WebhookType } from './observe.ts';
import { reviewRequest } from './review.ts';
import { prepareReview } from './version.ts';

/** What calling webhooks takes. */
export interface Dispatch {
  readonly hooks: () => readonly Hook[];
  readonly caller: Caller;
  readonly observer: Observer;
  /** How to ask the webhook about a write; undefined when it does not want to see it. Throws when that cannot be told. */
  invocation(hook: Hook, attributes: AdmissionAttributes): Promise<Invocation | undefined>;
}

const scope = { hasParams: false, hasPatchTypes: false };
const compiled = new WeakMap<object, readonly NamedExpression[]>();

/** Configurations in the cache stay the same object until they change. */
function conditionsOf({ webhook }: Hook): readonly NamedExpression[] {
  const list = webhook.matchConditions;
  if (!list?.length) return [];
  let found = compiled.get(list);
  if (!found) compiled.set(list, (found = list.map(({ name, expression: source }) => ({ ...expression('matchCondition', source.trim(), scope), name }))));
  return found;
}

type Needs = Pick<PluginContext, 'env' | 'read' | 'kinds' | 'authorize'>;

type Counted = 'error' | 'excluded';

/** Upstream's counters of conditions; `type` as in the other metrics of webhooks. */
function conditionCounters({ metrics }: Needs['env'], type: WebhookType): (what: Counted, hook: Hook, operation: string) => void {
  const about = 'identified by name and broken out for each kind containing matchConditions (webhook or policy), operation and admission type (validate or admit).';
  const counters: Readonly<Record<Counted, Counter>> = {
    error: metrics.counter('apiserver_admission_match_condition_evaluation_errors_total', `Admission match condition evaluation errors count, ${about}`),
    excluded: metrics.counter('apiserver_admission_match_condition_exclusions_total', `Admission match condition evaluation exclusions count, ${about}`),
  };
  return (what, { webhook }, operation) => counters[what].inc({ name: webhook.name, kind: 'webhook', type, operation });
}

interface Asked {
  readonly kind: KindDescriptor;
  readonly authorize: Needs['authorize'];
  readonly count: ReturnType<typeof conditionCounters>;
}

async function isWanted(hook: Hook, attributes: AdmissionAttributes, { kind, authorize, count }: Asked): Promise<boolean> {
  const conditions = conditionsOf(hook);
  if (!conditions.length) return true;
  const asking = new Asking(authorize, attributes.user);
  const inputs = inputsOf(attributes, kind, { namespace: undefined, params: undefined, asking });
  const { matches, error } = await asking.settle(() => conditionsHold(conditions, { inputs }));
  if (error !== undefined) count('error', hook, attributes.operation);
  else if (!matches) count('excluded', hook, attributes.operation);
  if (error === undefined) return matches;
  if (hook.webhook.failurePolicy === 'Ignore') return false;
  throw forbidden(subjectOf(attributes), error);
}

export function invocations(needs: Needs, type: WebhookType): Dispatch['invocation'] {
  const count = conditionCounters(needs.env, type);
  return async (hook, attributes) => {
    const kind = matchHook(hook, attributes, needs);
    if (kind) await prepareReview(attributes, kind);
    if (!kind || !(await isWanted(hook, attributes, { kind, authorize: needs.authorize, count }))) return undefined;
    return { hook, kind, request: reviewRequest(attributes, kind, needs.env.random.uuid()) };
  };
}
