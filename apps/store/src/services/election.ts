import {
  type CampaignRequest,
  type CampaignResponse,
  type KeyValue,
  type LeaderKey,
  type LeaderRequest,
  type LeaderResponse,
  type RequestOp,
  type ResponseHeader,
  ElectionDefinition,
  Event_EventType,
} from '@orrery/proto/etcd';
import { Code, RpcError, type ServedService, service } from '@orrery/rpc';
import { type Recipe, createdAt, eventsFrom, firstCreated, keyOfLease, passedOn, predecessorsGone, prefixEnd, prefixOf, recipeOf, seenThrough } from './recipe.ts';

const failure = (message: string): RpcError => new RpcError(Code.UNKNOWN, message);

function fail(error: unknown): never {
  throw passedOn(error);
}

function requireLeader(leader: LeaderKey | undefined): Required<LeaderKey> {
  if (!leader) throw failure('"leader" field must be provided');
  const { name = Buffer.alloc(0), key = Buffer.alloc(0), rev = 0, lease = '0' } = leader;
  return { name, key, rev, lease };
}

/** Does the operation while the key is still the one that won. */
function asLeader({ kv, options }: Recipe, { key, rev }: Required<LeaderKey>, op: RequestOp) {
  return kv.txn({ compare: [createdAt(key, rev)], success: [op] }, options);
}

async function proclaim(recipe: Recipe, leader: Required<LeaderKey>, value: Buffer): Promise<ResponseHeader | undefined> {
  const { key, lease } = leader;
  const { succeeded, header } = await asLeader(recipe, leader, { request: { $case: 'requestPut', value: { key, value, lease } } });
  if (!succeeded) throw failure('election: not leader');
  return header;
}

async function resign(recipe: Recipe, leader: Required<LeaderKey>): Promise<ResponseHeader | undefined> {
  return (await asLeader(recipe, leader, { request: { $case: 'requestDeleteRange', value: { key: leader.key } } })).header;
}

/** Becomes a candidate; a candidate that comes again with its lease goes on from its place, with the new value. */
async function candidacy(recipe: Recipe, { name, lease: asked = '0', value = Buffer.alloc(0) }: CampaignRequest) {
  const lease = await recipe.session(asked);
  const key = keyOfLease(prefixOf(name), lease);
  const { succeeded, header, responses } = await recipe.kv.txn(
    {
      compare: [createdAt(key, 0)],
      success: [{ request: { $case: 'requestPut', value: { key, value, lease } } }],
      failure: [{ request: { $case: 'requestRange', value: { key } } }],
    },
    recipe.options,
  );
  const found = responses?.[0]?.response;
  const own = found?.$case === 'responseRange' ? found.value.kvs?.[0] : undefined;
  const rev = (succeeded ? header?.revision : own?.createRevision) ?? 0;
  const leader = { name: name ?? Buffer.alloc(0), key, rev, lease };
  if (own && Buffer.compare(own.value ?? Buffer.alloc(0), value) !== 0) await proclaim(recipe, leader, value);
  return { header, leader };
}

async function campaign(recipe: Recipe, request: CampaignRequest): Promise<CampaignResponse> {
  const { header, leader } = await candidacy(seenThrough(recipe), request);
  try {
    await predecessorsGone(recipe, prefixOf(request.name), leader.rev - 1);
  } catch (error) {
    // A candidate that gave up must not win later. Its signal has aborted, so this goes without.
    if (recipe.options.signal?.aborted) await resign(seenThrough(recipe), leader);
    throw error;
  }
  return { header, leader };
}

async function leaderOf({ kv, options }: Recipe, { name }: LeaderRequest): Promise<LeaderResponse> {
  const { header, kvs = [] } = await kv.range(firstCreated(prefixOf(name)), options);
  if (!kvs[0]) throw failure('election: no leader');
  return { header, kv: kvs[0] };
}

/** The first leader there is: the present one, or the next. */
async function nextLeader(recipe: Recipe, prefix: Buffer): Promise<{ header: ResponseHeader | undefined; kv: KeyValue }> {
  const { header, kvs = [] } = await recipe.kv.range(firstCreated(prefix), recipe.options);
  if (kvs[0]) return { header, kv: kvs[0] };
  for await (const { event, kv } of eventsFrom(recipe, { key: prefix, rangeEnd: prefixEnd(prefix), startRevision: header?.revision ?? 0 })) {
    if (event.type !== Event_EventType.DELETE) return { header: { ...header, revision: kv.modRevision ?? 0 }, kv };
  }
  throw failure('election: observe closed early');
}

/** Every leader and every value it proclaims, until the caller goes away. */
async function* observe(recipe: Recipe, prefix: Buffer): AsyncGenerator<LeaderResponse> {
  for (;;) {
    const { header, kv: leader } = await nextLeader(recipe, prefix);
    yield { header, kv: leader };
    const key = leader.key ?? Buffer.alloc(0);
    for await (const { event, kv, revision } of eventsFrom(recipe, { key, startRevision: (header?.revision ?? 0) + 1 })) {
      if (event.type === Event_EventType.DELETE) break;
      yield { header: { ...header, revision }, kv };
    }
  }
}

/**
 * The Election service (v3electionpb): candidates are keys `NAME/LEASE` in the order of their creation, the first leads. Built
 * on `services` (KV, Watch and Lease) as etcd's is on its client.
 */
export function electionService(services: readonly ServedService[]): ServedService {
  return service(ElectionDefinition, {
    campaign: (request, context) => campaign(recipeOf(services, context), request).catch(fail),
    proclaim: async ({ leader, value = Buffer.alloc(0) }, context) => ({
      header: await proclaim(recipeOf(services, context), requireLeader(leader), value).catch(fail),
    }),
    leader: (request, context) => leaderOf(recipeOf(services, context), request).catch(fail),
    observe: async function* ({ name }, context) {
      try {
        yield* observe(recipeOf(services, context), prefixOf(name));
      } catch (error) {
        throw passedOn(error);
      }
    },
    resign: async ({ leader }, context) => ({ header: await resign(recipeOf(services, context), requireLeader(leader)).catch(fail) }),
  });
}
