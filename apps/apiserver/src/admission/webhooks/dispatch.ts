import { type KindDescriptor } from '@orrery/api';
import { forbidden } from '@orrery/errors';
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
import type { Observer } from './observe.ts';
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

async function isWanted(hook: Hook, attributes: AdmissionAttributes, { kind, authorize }: { kind: KindDescriptor; authorize: Needs['authorize'] }): Promise<boolean> {
  const conditions = conditionsOf(hook);
  if (!conditions.length) return true;
  const asking = new Asking(authorize, attributes.user);
  const inputs = inputsOf(attributes, kind, { namespace: undefined, params: undefined, asking });
  const { matches, error } = await asking.settle(() => conditionsHold(conditions, { inputs }));
  if (error === undefined) return matches;
  if (hook.webhook.failurePolicy === 'Ignore') return false;
  throw forbidden(subjectOf(attributes), error);
}

export function invocations(needs: Needs): Dispatch['invocation'] {
  return async (hook, attributes) => {
    const kind = matchHook(hook, attributes, needs);
    if (kind) await prepareReview(attributes, kind);
    if (!kind || !(await isWanted(hook, attributes, { kind, authorize: needs.authorize }))) return undefined;
    return { hook, kind, request: reviewRequest(attributes, kind, needs.env.random.uuid()) };
  };
}
