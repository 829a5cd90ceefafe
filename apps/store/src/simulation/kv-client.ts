import { type KeyValue, type ResponseOp, type TxnRequest, Compare_CompareResult as Result, Compare_CompareTarget as Target } from '@orrery/proto/etcd';
import { Code, toRpcError } from '@orrery/rpc';
import type { EtcdClients } from './cluster.ts';
import type { Answer, Call, Operation, SeenKv } from './history.ts';
import type { Lab } from './lab.ts';

/** Keys whose every change is by these clients: few, so that they meet. */
export const sharedKeys = ['k0', 'k1', 'k2', 'k3', 'k4'] as const;
const callTimeoutMs = 4000;
const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };

export const bytes = (text: string): Buffer => Buffer.from(text);

export function seen(kv: KeyValue): SeenKv {
  const { createRevision = 0, modRevision = 0, version = 0, lease = '0' } = kv;
  return { key: String(kv.key), value: String(kv.value ?? ''), createRevision, modRevision, version, lease };
}

/** Errors that say for certain that the request has no effect: it was refused before, or while, it was applied. */
export function isRefusal(error: unknown): boolean {
  const { code } = toRpcError(error);
  const certain: readonly number[] = [Code.RESOURCE_EXHAUSTED, Code.NOT_FOUND, Code.OUT_OF_RANGE, Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED];
  return certain.includes(code);
}

const putOp = (key: string, value: string) => ({ request: { $case: 'requestPut' as const, value: { key: bytes(key), value: bytes(value) } } });

function swapRequest({ key, value, expected }: Extract<Operation, { kind: 'swap' }>): TxnRequest {
  return {
    compare: [{ key: bytes(key), target: Target.MOD, result: Result.EQUAL, targetUnion: { $case: 'modRevision', value: expected?.modRevision ?? 0 } }],
    success: [putOp(key, value)],
    failure: [{ request: { $case: 'requestRange', value: { key: bytes(key) } } }],
  };
}

function rangesOf(responses: readonly ResponseOp[] = []): SeenKv[] {
  return responses.flatMap(({ response }) => (response?.$case === 'responseRange' ? (response.value.kvs ?? []).map(seen) : []));
}

async function perform({ kv }: EtcdClients, operation: Operation): Promise<Answer> {
  const options = { timeoutMs: callTimeoutMs };
  if (operation.kind === 'put') {
    const { key, value, lease = '0' } = operation;
    const { header } = await kv.put({ key: bytes(key), value: bytes(value), lease }, options);
    return { revision: header?.revision ?? 0 };
  }
  if (operation.kind === 'delete') {
    const { header, deleted = 0 } = await kv.deleteRange({ key: bytes(operation.key) }, options);
    return { revision: header?.revision ?? 0, deleted };
  }
  if (operation.kind === 'range') {
    const { key, serializable, revision = 0 } = operation;
    const { header, kvs = [] } = await kv.range({ ...(key === undefined ? everything : { key: bytes(key) }), serializable, revision }, options);
    return { revision: header?.revision ?? 0, kvs: kvs.map(seen) };
  }
  const request = operation.kind === 'swap' ? swapRequest(operation) : { success: operation.keys.map((key) => putOp(key, operation.value)) };
  const { header, succeeded = false, responses } = await kv.txn(request, options);
  return { revision: header?.revision ?? 0, swapped: succeeded, kvs: rangesOf(responses) };
}

/** Sends one request and writes down what comes of it. Rejects as the request does. */
export async function record(lab: Lab, by: { client: string; member: string; clients: EtcdClients }, operation: Operation): Promise<Answer> {
  const call: Call = { client: by.client, member: by.member, operation, invoked: lab.moment() };
  lab.history.calls.push(call);
  try {
    call.answer = await perform(by.clients, operation);
    call.returned = lab.moment();
    lab.trace(`${by.client} @${by.member} ${JSON.stringify(operation)} -> ${JSON.stringify(call.answer)}`);
    return call.answer;
  } catch (error) {
    call.returned = lab.moment();
    if (isRefusal(error)) call.refusal = (error as Error).message;
    lab.trace(`${by.client} @${by.member} ${JSON.stringify(operation)} -> ${(error as Error).message}`);
    throw error;
  }
}

/** A client that works on the shared keys, with some member or other, until the run ends. */
export async function runKvClient(lab: Lab, name: string): Promise<void> {
  const host = lab.host(name);
  const known = new Map<string, SeenKv | undefined>();
  let revision = 1;
  let member = lab.connect(host);
  const learn = (kvs: readonly SeenKv[], key: string | undefined): void => {
    for (const one of key === undefined ? sharedKeys : [key]) known.set(one, kvs.find((kv) => kv.key === one));
  };
  while (!lab.isEnding) {
    await lab.time.sleep(5 + lab.random.int(90));
    const operation = draw(lab, { name, known, revision });
    try {
      const answer = await record(lab, { client: name, member: member.machine.name, clients: member.clients }, operation);
      revision = Math.max(revision, answer.revision);
      if (operation.kind === 'range' && operation.revision === undefined) learn(answer.kvs ?? [], operation.key);
      if (operation.kind === 'swap' && answer.swapped === false) learn(answer.kvs ?? [], operation.key);
      if (lab.chance(4)) member = lab.connect(host);
    } catch {
      // Written down; another member may do better.
      await lab.time.sleep(20 + lab.random.int(150));
      member = lab.connect(host);
    }
  }
}

function draw(lab: Lab, { name, known, revision }: { name: string; known: ReadonlyMap<string, SeenKv | undefined>; revision: number }): Operation {
  const key = lab.pick(sharedKeys);
  const roll = lab.random.int(100);
  const value = (): string => lab.freshValue(name);
  if (roll < 30) return { kind: 'put', key, value: value() };
  if (roll < 50) return { kind: 'range', key, serializable: false };
  if (roll < 56) return { kind: 'range', key: undefined, serializable: false };
  if (roll < 64) return { kind: 'range', key: lab.chance(50) ? key : undefined, serializable: true };
  if (roll < 68) return { kind: 'range', key: undefined, serializable: lab.chance(50), revision: Math.max(1, revision - lab.random.int(20)) };
  if (roll < 76) return { kind: 'delete', key };
  if (roll < 80) return { kind: 'putAll', keys: [...new Set([key, lab.pick(sharedKeys)])], value: value() };
  return { kind: 'swap', key, value: value(), expected: known.get(key) };
}
