import type { RangeRequest } from '@orrery/proto/etcd';
import type { CallContext, MethodDefinition, ServedService } from '@orrery/rpc';
import { tokenOf } from '../auth/gate.ts';
import { indexOfToken } from '../auth/tokens.ts';
import { etcdError } from '../errors.ts';
import type { Member } from '../member.ts';

/** Clients that would rather be told than wait say so. */
export function requiresLeader({ metadata }: CallContext): boolean {
  return metadata['hasleader'] === 'true';
}

/** What a learner answers, as etcd's: who it is, and what it has. */
function isForLearner(method: MethodDefinition, input: unknown): boolean {
  return method.name === 'Status' || method.name === 'Snapshot' || (method.name === 'Range' && (input as RangeRequest).serializable === true);
}

async function* failing(error: unknown): AsyncIterable<never> {
  throw error;
}

async function* once<T>(ready: Promise<unknown>, answers: () => AsyncIterable<T>): AsyncIterable<T> {
  await ready;
  yield* answers();
}

/** Whether the caller has a token of another member whose entry is not applied here yet: it would be taken for none. */
function isAhead({ metadata }: CallContext, member: Member): boolean {
  const token = tokenOf(metadata);
  return token !== undefined && indexOfToken(token) > member.appliedIndex;
}

/**
 * The services of a member of a cluster: refusing what it cannot do for lack of a leader or of a vote, and catching up first
 * with the members that its callers come from.
 */
export function guarded(services: readonly ServedService[], member: Member): ServedService[] {
  const refusal = (method: MethodDefinition, input: unknown, context: CallContext): Error | undefined => {
    const { replica } = member;
    if (!replica) return etcdError('stopped');
    if (replica.isLearner && !isForLearner(method, input)) return etcdError('notForLearner');
    return replica.log.leaderId === '' && requiresLeader(context) ? etcdError('noLeader') : undefined;
  };
  return services.map(({ definition, handlers }) => {
    const guard = (key: string, handler: NonNullable<ServedService['handlers'][string]>) => {
      const method = definition.methods[key] as MethodDefinition;
      return (input: never, context: CallContext): unknown => {
        const error = refusal(method, input, context);
        if (error) return method.responseStream ? failing(error) : Promise.reject(error);
        const ready = isAhead(context, member) ? member.readBarrier() : undefined;
        if (!ready) return handler(input, context);
        return method.responseStream ? once(ready, () => handler(input, context) as AsyncIterable<unknown>) : ready.then(() => handler(input, context));
      };
    };
    return { definition, handlers: Object.fromEntries(Object.entries(handlers).map(([key, handler]) => [key, handler && guard(key, handler)])) };
  });
}
