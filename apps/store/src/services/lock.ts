import { type LockRequest, type LockResponse, LockDefinition } from '@orrery/proto/etcd';
import { Code, RpcError, type ServedService, service } from '@orrery/rpc';
import { type Recipe, createdAt, firstCreated, keyOfLease, passedOn, predecessorsGone, prefixOf, recipeOf, seenThrough } from './recipe.ts';

/** Enters the queue under the name, or finds the entry that the same lease already has there. */
async function enter({ kv, options }: Recipe, prefix: Buffer, { key, lease }: { key: Buffer; lease: string }) {
  const owner = { request: { $case: 'requestRange', value: firstCreated(prefix) } } as const;
  const answer = await kv.txn(
    {
      compare: [createdAt(key, 0)],
      success: [{ request: { $case: 'requestPut', value: { key, lease } } }, owner],
      failure: [{ request: { $case: 'requestRange', value: { key } } }, owner],
    },
    options,
  );
  const [mine, first] = (answer.responses ?? []).map(({ response }) => (response?.$case === 'responseRange' ? response.value.kvs?.[0] : undefined));
  const revision = (answer.succeeded ? answer.header?.revision : mine?.createRevision) ?? 0;
  return { header: answer.header, revision, entered: answer.succeeded === true, held: !first || first.createRevision === revision };
}

async function lock(recipe: Recipe, { name, lease: asked = '0' }: LockRequest): Promise<LockResponse> {
  const lease = await recipe.session(asked);
  const prefix = prefixOf(name);
  const key = keyOfLease(prefix, lease);
  const { header, revision, entered, held } = await enter(seenThrough(recipe), prefix, { key, lease });
  // Nobody hears of a lock that came too late; one that the lease has already is its holder's.
  if (held && !(entered && recipe.options.signal?.aborted)) return { header, key };
  try {
    await predecessorsGone(recipe, prefix, revision - 1);
    const own = await recipe.kv.range({ key }, recipe.options);
    if (own.kvs?.length) return { header: own.header, key };
  } catch (error) {
    // The caller's signal may be what ended the wait; leaving the queue must not depend on it.
    await recipe.kv.deleteRange({ key }, seenThrough(recipe).options);
    throw error;
  }
  throw new RpcError(Code.UNKNOWN, 'mutex: session is expired');
}

function fail(error: unknown): never {
  throw passedOn(error);
}

/**
 * The Lock service (v3lockpb): a queue of keys `NAME/LEASE` in the order of their creation, whose first holds the lock. It
 * is let go by deleting the key, or with the lease. Built on `services` (KV, Watch and Lease) as etcd's is on its client.
 */
export function lockService(services: readonly ServedService[]): ServedService {
  return service(LockDefinition, {
    lock: (request, context) => lock(recipeOf(services, context), request).catch(fail),
    unlock: async ({ key = Buffer.alloc(0) }, context) => {
      const { kv, options } = recipeOf(services, context);
      return { header: (await kv.deleteRange({ key }, options).catch(fail)).header };
    },
  });
}
