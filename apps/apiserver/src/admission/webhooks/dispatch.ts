import type { AdmissionAttributes, PluginContext } from '../../pipeline/index.ts';
import type { Invocation } from './call.ts';
import type { Caller } from './caller.ts';
import { conditionsHold } from './conditions.ts';
import type { Hook } from './hook.ts';
import { matchHook } from './match.ts';
import type { Observer } from './observe.ts';
import { type ReviewRequest, reviewRequest } from './review.ts';

/** What calling webhooks takes. */
export interface Dispatch {
  readonly read: PluginContext['read'];
  readonly caller: Caller;
  readonly observer: Observer;
  /** How to ask the webhook about a write; undefined when it does not want to see it. Throws when that cannot be told. */
  invocation(hook: Hook, attributes: AdmissionAttributes): Invocation | undefined;
}

export function invocations(context: Pick<PluginContext, 'env' | 'read' | 'kinds'>): Dispatch['invocation'] {
  return (hook, attributes) => {
    const kind = matchHook(hook, attributes, context);
    if (!kind) return undefined;
    let made: ReviewRequest | undefined;
    const request = (): ReviewRequest => (made ??= reviewRequest(attributes, kind, context.env.random.uuid()));
    const variables = (): { object: unknown; oldObject: unknown; request: unknown } => {
      const { object, oldObject, ...rest } = request();
      return { object, oldObject, request: rest };
    };
    return conditionsHold(hook, attributes, variables) ? { hook, kind, request: request() } : undefined;
  };
}
