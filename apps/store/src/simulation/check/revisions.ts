import type { Answer, Call, Finding, History, Moment, Operation } from '../history.ts';
import { type Change, type Truth, equalKvs, show } from './truth.ts';

type Report = (call: Call, message: string) => void;

const describe = ({ client, member, operation, answer }: Call): string => `${client} @${member} ${JSON.stringify(operation)}${answer ? ` at ${answer.revision}` : ''}`;

/** Whether an acknowledged call changed anything. */
function wrote(operation: Operation, answer: Answer): boolean {
  if (operation.kind === 'put' || operation.kind === 'putAll') return true;
  return operation.kind === 'delete' ? (answer.deleted ?? 0) > 0 : operation.kind === 'swap' && answer.swapped === true;
}

/** What a call puts, by key; undefined: deleted. */
function effect(operation: Operation): ReadonlyMap<string, string | undefined> {
  switch (operation.kind) {
    case 'put':
    case 'swap':
      return new Map([[operation.key, operation.value]]);
    case 'putAll':
      return new Map(operation.keys.map((key) => [key, operation.value]));
    case 'delete':
      return new Map([[operation.key, undefined]]);
    case 'range':
      return new Map();
  }
}

function isEffect(operation: Operation, change: Change): boolean {
  const expected = effect(operation);
  if (expected.size !== change.events.size) return false;
  return [...expected].every(([key, value]) => {
    const event = change.events.get(key);
    return value === undefined ? event?.type === 'delete' : event?.type === 'put' && event.kv.value === value;
  });
}

/** Checks what an acknowledged call was told against the truth at its revision. */
function checkAnswer(truth: Truth, call: Call, report: Report): void {
  const { operation } = call;
  const answer = call.answer as Answer;
  const { revision } = answer;
  if (wrote(operation, answer)) {
    const change = truth.changes.get(revision);
    if (!change) report(call, 'was acknowledged, and is lost');
    else if (!isEffect(operation, change)) report(call, `was acknowledged at a revision that is ${show([...change.events.values()].map(({ kv }) => kv))}`);
  }
  if (operation.kind === 'delete' && (answer.deleted ?? 0) !== Number(truth.at(operation.key, answer.deleted ? revision - 1 : revision) !== undefined)) report(call, `says that it deleted ${answer.deleted}`);
  if (operation.kind === 'swap') checkSwap(truth, call, report);
  if (operation.kind !== 'range') return;
  const at = operation.revision ?? revision;
  if (at > revision) return report(call, 'answers about the future');
  const expected = operation.key === undefined ? truth.all(at) : [truth.at(operation.key, at)].filter((kv) => kv !== undefined);
  if (!equalKvs(answer.kvs ?? [], expected)) report(call, `read ${show(answer.kvs ?? [])} where there was ${show(expected)}`);
}

function checkSwap(truth: Truth, call: Call, report: Report): void {
  const { key, expected } = call.operation as Extract<Operation, { kind: 'swap' }>;
  const { revision, swapped = false, kvs = [] } = call.answer as Answer;
  const before = truth.at(key, swapped ? revision - 1 : revision);
  const matches = (before?.modRevision ?? 0) === (expected?.modRevision ?? 0);
  if (matches !== swapped) report(call, `${swapped ? 'succeeded' : 'failed'} on ${show([before])}`);
  if (!swapped && !equalKvs(kvs, before ? [before] : [])) report(call, `found ${show(kvs)} where there was ${show([before])}`);
}

/** Which call made each change. What neither a call nor the end of a lease explains is an invention. */
function explain(truth: Truth, calls: readonly Call[], found: (message: string) => void): Map<Call, Change> {
  const known = new Map<number, Call>();
  const byValue = new Map<string, Call>();
  for (const call of calls) {
    if (call.answer && wrote(call.operation, call.answer)) known.set(call.answer.revision, call);
    if ('value' in call.operation) byValue.set(call.operation.value, call);
  }
  const deletions = calls.filter(({ operation, answer, refusal }) => operation.kind === 'delete' && !answer && !refusal);
  const made = new Map<Call, Change>();
  for (const change of truth.changes.values()) {
    const [first] = change.events.values();
    const isExpiry = [...change.events.values()].every(({ type, kv }) => type === 'delete' && (truth.at(kv.key, change.revision - 1)?.lease ?? '0') !== '0');
    const unknownDeletion = deletions.find((call) => !made.has(call) && call.invoked < change.seenAt && isEffect(call.operation, change));
    const call = known.get(change.revision) ?? (first?.type === 'put' ? byValue.get(first.kv.value) : unknownDeletion);
    if (call?.refusal) found(`${describe(call)} was refused (${call.refusal}), and came to pass at ${change.revision}`);
    if (call && made.has(call)) found(`${describe(call)} came to pass twice, at ${made.get(call)?.revision} and ${change.revision}`);
    if (call && isEffect(call.operation, change)) made.set(call, change);
    else if (!isExpiry) found(`nobody asked for revision ${change.revision}: ${show([...change.events.values()].map(({ kv }) => kv))}`);
  }
  return made;
}

/** In the order of revisions no call may come before what was known when it was made. */
function checkOrder(history: History, made: ReadonlyMap<Call, Change>, report: Report): void {
  const points: { readonly at: Moment; readonly learned: number; readonly how: string; readonly call?: Call }[] = [];
  for (const call of history.calls) {
    points.push({ at: call.invoked, learned: 0, how: '', call });
    if (call.answer && call.returned !== undefined) points.push({ at: call.returned, learned: call.answer.revision, how: describe(call) });
  }
  for (const { id, notices } of history.watches) {
    for (const notice of notices) if (notice.kind === 'events' || notice.kind === 'progress') points.push({ at: notice.at, learned: notice.revision, how: id });
  }
  let highest = { learned: 1, how: 'the beginning' };
  for (const { call, ...point } of points.sort((a, b) => a.at - b.at)) {
    if (point.learned > highest.learned) highest = point;
    if (!call) continue;
    const { operation, answer } = call;
    const change = made.get(call);
    if (change) {
      if (change.revision <= highest.learned) report(call, `came to pass at ${change.revision}, though ${highest.learned} was known before it was asked for (${highest.how})`);
    } else if (answer && !(operation.kind === 'range' && operation.serializable) && answer.revision < highest.learned) {
      report(call, `is stale: ${highest.learned} was known before it was asked for (${highest.how})`);
    }
  }
}

/**
 * Linearizability by etcd's revisions. They are one order of everything that happened; so it is enough that every answer is
 * right at its revision, that every change has one cause, and that the order agrees with real time. Requests whose outcome
 * nobody knows count as applied where the truth has them.
 */
export function checkRevisions(history: History, truth: Truth): Finding[] {
  const findings: Finding[] = [];
  const found = (message: string): void => void findings.push({ checker: 'revisions', message });
  const report: Report = (call, message) => found(`${describe(call)} ${message}`);
  for (const call of history.calls) if (call.answer) checkAnswer(truth, call, report);
  const made = explain(truth, history.calls, found);
  checkOrder(history, made, report);
  return findings;
}
