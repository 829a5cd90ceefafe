import type { Message as WireMessage, ConfChange as WireConfChange, Entry as WireEntry } from '@orrery/proto/raft';
import type { ConfChange, Entry, Message, ProposedEntry } from '@orrery/raft';
import { Code, RpcError } from '@orrery/rpc';

const changeTypes: readonly string[] = ['addVoter', 'addLearner', 'remove', 'update'] satisfies ConfChange['type'][];

function bad(what: string): RpcError {
  return new RpcError(Code.INVALID_ARGUMENT, `etcdserver: ${what} in a message between members`);
}

function changeFrom({ type = '', member = '0', context }: WireConfChange): ConfChange {
  if (!changeTypes.includes(type)) throw bad(`unknown change ${JSON.stringify(type)}`);
  return { type: type as ConfChange['type'], member, ...(context?.length ? { context } : {}) };
}

function kindOf(entry: Entry | ProposedEntry): WireEntry['kind'] {
  if (entry.type === 'normal') return { $case: 'data', value: entry.data as Buffer };
  if (entry.type === 'confChange') return { $case: 'change', value: { ...entry.change, context: entry.change.context as Buffer | undefined } };
  return undefined;
}

function entryTo(entry: Entry): WireEntry {
  return { index: entry.index, term: entry.term, kind: kindOf(entry) };
}

function entryFrom({ index = 0, term = 0, kind }: WireEntry): Entry {
  if (!kind) return { index, term, type: 'empty' };
  if (kind.$case === 'data') return { index, term, type: 'normal', data: kind.value };
  return { index, term, type: 'confChange', change: changeFrom(kind.value) };
}

function proposedFrom({ kind }: WireEntry): ProposedEntry {
  if (!kind) throw bad('an empty proposal');
  return kind.$case === 'data' ? { type: 'normal', data: kind.value } : { type: 'confChange', change: changeFrom(kind.value) };
}

/** A message of the algorithm as it goes over the wire: the cases of the body are called as the types are. */
export function toWire(message: Message): WireMessage {
  const { from, to, term, type, ...rest } = message;
  let value: unknown = rest;
  if (message.type === 'append') value = { ...rest, entries: message.entries.map(entryTo) };
  else if (message.type === 'propose') value = { entries: message.entries.map((entry) => ({ kind: kindOf(entry) })) };
  return { from, to, term, body: { $case: type, value } as WireMessage['body'] };
}

/** Throws INVALID_ARGUMENT for what no member of this version sends. */
export function fromWire({ from = '0', to = '0', term = 0, body }: WireMessage): Message {
  if (!body) throw bad('no or an unknown body');
  const header = { from, to, term, type: body.$case };
  if (body.$case === 'append') return { ...header, ...body.value, entries: (body.value.entries ?? []).map(entryFrom) } as Message;
  if (body.$case === 'propose') return { ...header, entries: (body.value.entries ?? []).map(proposedFrom) } as Message;
  if (body.$case === 'snapshot') {
    const { index = 0, term: at = 0, configuration } = body.value.snapshot ?? {};
    return { ...header, type: 'snapshot', snapshot: { index, term: at, configuration: { voters: configuration?.voters ?? [], learners: configuration?.learners ?? [] } } };
  }
  return { ...header, ...body.value } as Message;
}
