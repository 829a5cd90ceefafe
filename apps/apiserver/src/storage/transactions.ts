import { type Compare, Compare_CompareResult, Compare_CompareTarget, type KeyValue, type RequestOp, type TxnRequest, type TxnResponse } from '@orrery/proto/etcd';

/** One step of a transaction. `expect` is the mod revision the key must have, 0 that it must not exist; absent: anything. */
export type Write = { readonly key: string; readonly expect?: number } & (
  | { readonly put: Buffer; readonly lease?: string }
  | { readonly delete: true }
  | { readonly check: true }
);

/** All writes if all expectations hold, else what the keys hold. */
export function transactionOf(writes: readonly Write[]): TxnRequest {
  const compare: Compare[] = [];
  const success: RequestOp[] = [];
  const failure: RequestOp[] = [];
  for (const write of writes) {
    const key = Buffer.from(write.key);
    if (write.expect !== undefined) compare.push({ result: Compare_CompareResult.EQUAL, target: Compare_CompareTarget.MOD, key, targetUnion: { $case: 'modRevision', value: write.expect } });
    if ('put' in write) success.push({ request: { $case: 'requestPut', value: write.lease ? { key, value: write.put, lease: write.lease } : { key, value: write.put } } });
    else if ('delete' in write) success.push({ request: { $case: 'requestDeleteRange', value: { key } } });
    failure.push({ request: { $case: 'requestRange', value: { key } } });
  }
  return { compare, success, failure };
}

/** Of a transaction that did not come about: what each key holds, in order. */
export function currentOf(response: TxnResponse): (KeyValue | undefined)[] {
  return (response.responses ?? []).map((r) => (r.response?.$case === 'responseRange' ? r.response.value.kvs?.[0] : undefined));
}
