import { checkDelete, checkPutRequest, checkRange, checkTxn, isReadOnly, range } from '@orrery/mvcc';
import { type DeleteRangeRequest, type PutRequest, type RangeRequest, type TxnRequest, KVDefinition } from '@orrery/proto/etcd';
import { type CallContext, type ServedService, service } from '@orrery/rpc';
import type { Gate } from '../auth/gate.ts';
import { etcdError, toEtcdError } from '../errors.ts';
import type { Member } from '../member.ts';

/** About what the request takes on the wire: its keys and values. */
function putBytes(request: PutRequest): number {
  return (request.key?.length ?? 0) + (request.value?.length ?? 0) + 16;
}

function txnBytes(txn: TxnRequest): number {
  let bytes = 0;
  for (const c of txn.compare ?? []) {
    bytes += 16 + (c.key?.length ?? 0) + (c.rangeEnd?.length ?? 0);
    if (c.targetUnion?.$case === 'value') bytes += c.targetUnion.value.length;
  }
  for (const ops of [txn.success ?? [], txn.failure ?? []]) {
    for (const { request } of ops) {
      if (request?.$case === 'requestPut') bytes += putBytes(request.value);
      else if (request?.$case === 'requestTxn') bytes += txnBytes(request.value);
      else bytes += 16 + (request?.value.key?.length ?? 0) + (request?.value.rangeEnd?.length ?? 0);
    }
  }
  return bytes;
}

/** Whether a read-only transaction asks for nothing newer than what is here. */
function isSerializable({ success = [], failure = [] }: TxnRequest): boolean {
  return [...success, ...failure].every(({ request }) => request?.$case === 'requestRange' && request.value.serializable === true);
}

function rethrow(error: unknown): never {
  throw toEtcdError(error);
}

/** The KV service. Reads are answered from the applied state; in a cluster, linearizable ones when it has caught up with the leader. */
export function kvService(member: Member, gate: Gate, limits: { maxTxnOps: number; maxRequestBytes: number }): ServedService {
  const checked = <T>(work: () => T | Promise<T>): Promise<T> => {
    try {
      const result = work();
      return result instanceof Promise ? result.catch(rethrow) : Promise.resolve(result);
    } catch (error) {
      return Promise.reject(toEtcdError(error));
    }
  };
  const fits = (bytes: number): void => {
    if (bytes > limits.maxRequestBytes) throw etcdError('requestTooLarge');
  };
  const fresh = <T>(serializable: boolean, answer: () => T): T | Promise<T> => {
    const barrier = serializable ? undefined : member.readBarrier();
    return barrier ? barrier.then(answer) : answer();
  };
  const read = (request: RangeRequest, context: CallContext) => {
    checkRange(request);
    return fresh(request.serializable === true, () => {
      gate.requireRead(context, request);
      return member.answer(range(member.state, request));
    });
  };
  return service(KVDefinition, {
    range: (request, context) => checked(() => read(request, context)),
    rangeStream: async function* (request, context) {
      yield { rangeResponse: await checked(() => read(request, context)) };
    },
    put: (request, context) =>
      checked(() => {
        checkPutRequest(request);
        fits(putBytes(request));
        return member.propose({ kind: 'put', request, ...gate.signature(context) });
      }),
    deleteRange: (request: DeleteRangeRequest, context) =>
      checked(() => {
        checkDelete(request);
        return member.propose({ kind: 'deleteRange', request, ...gate.signature(context) });
      }),
    txn: (request, context) =>
      checked(() => {
        checkTxn(request, limits.maxTxnOps);
        fits(txnBytes(request));
        if (!isReadOnly(request)) return member.propose({ kind: 'txn', request, ...gate.signature(context) });
        return fresh(isSerializable(request), () => {
          gate.requireTxn(context, request);
          return member.readTxn(request);
        });
      }),
    compact: (request, context) =>
      checked(() => {
        gate.requireAdmin(context);
        return member.compact(request);
      }),
  });
}
