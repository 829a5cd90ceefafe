import { type Compare, Compare_CompareResult, Compare_CompareTarget, type KeyValue, type RequestOp, type TxnRequest, type TxnResponse } from '@orrery/proto/etcd';

/** One step of a transaction. `expect` is the mod revision the key must have, 0 that it must not exist; absent: anything. */
export type Write = { readonly key: string; readonly expect?: number } & (
  | { readonly put: Buffer; readonly lease?: string }
  | { readonly delete: true }
  | { readonly check: true }
);

function compareOf(write: Write): Compare[] {
  if (write.expect === undefined) return [];
  return [
    {
      result: Compare_CompareResult.EQUAL,
      target: Compare_CompareTarget.MOD,
      key: Buffer.from(write.key),
      targetUnion: { $case: 'modRevision', value: write.expect },
    },
  ];
}

function operationOf(write: Write): RequestOp[] {
  const key = Buffer.from(write.key);
  if ('put' in write) {
    return [{ request: { $case: 'requestPut', value: { key, value: write.put, ...(write.lease ? { lease: write.lease } : {}) } } }];
  }
  return 'delete' in write ? [{ request: { $case: 'requestDeleteRange', value: { key } } }] : [];
}

function readBack(write: Write): RequestOp {
  return { request: { $case: 'requestRange', value: { key: Buffer.from(write.key) } } };
}

/** All writes if all expectations hold, else what the keys hold. */
export function transactionOf(writes: readonly Write[]): TxnRequest {
  return { compare: writes.flatMap(compareOf), success: writes.flatMap(operationOf), failure: writes.map(readBack) };
}

/** Of a transaction that did not come about: what each key holds, in order. */
export function currentOf(response: TxnResponse): (KeyValue | undefined)[] {
  return (response.responses ?? []).map((r) => (r.response?.$case === 'responseRange' ? r.response.value.kvs?.[0] : undefined));
}
