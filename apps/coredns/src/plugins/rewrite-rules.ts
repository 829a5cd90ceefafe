import type { Answer } from 'dns-packet';
import type { Token } from '../corefile/lexer.ts';
import { type Query, withQuestion } from '../message.ts';
import { typeNumber } from '../server/wire.ts';
import { type Line, argumentError, errorAt, regex } from './plugin.ts';

/** Changes a record of the reply, or leaves it. */
export type ResponseChange = (record: Answer) => Answer;

export interface RewriteRule {
  readonly goesOn: boolean;
  /** Undefined: the rule does not apply. */
  rewrite(query: Query): { readonly query: Query; readonly changes: readonly ResponseChange[] } | undefined;
}

/** A name's replacement; undefined: it does not match. */
type NameChange = (name: string) => string | undefined;

const bare = (token: Token): string => token.text.toLowerCase().replace(/\.$/, '');
const fill = (template: string, groups: readonly (string | undefined)[]): string => template.replace(/\{(\d+)\}/g, (_whole, i: string) => groups[Number(i)] ?? '');

const kinds: readonly string[] = ['exact', 'prefix', 'suffix', 'substring', 'regex'];

function nameChange(kind: string, from: Token, to: Token): NameChange {
  const wanted = from.text.toLowerCase();
  const put = to.text;
  switch (kind) {
    case 'prefix':
      return (name) => (name.startsWith(wanted) ? put + name.slice(wanted.length) : undefined);
    case 'suffix': {
      const tail = wanted.replace(/\.$/, '');
      return (name) => (name.endsWith(tail) ? name.slice(0, name.length - tail.length) + put.replace(/\.$/, '') : undefined);
    }
    case 'substring':
      return (name) => (name.includes(wanted) ? name.replaceAll(wanted, put) : undefined);
    case 'regex': {
      const pattern = regex(from);
      return (name) => {
        // Patterns are written for names with their dot at the end, and mostly work without it.
        const match = pattern.exec(`${name}.`);
        return match ? fill(put, match).toLowerCase().replace(/\.$/, '') : undefined;
      };
    }
    default: {
      const exact = bare(from);
      return (name) => (name === exact ? bare(to) : undefined);
    }
  }
}

const targets: Readonly<Record<string, true>> = { CNAME: true, NS: true, PTR: true, DNAME: true };

function changeTarget(record: Answer, change: NameChange): Answer {
  if (record.type === 'SRV') {
    const target = change(record.data.target.toLowerCase());
    return target === undefined ? record : { ...record, data: { ...record.data, target } };
  }
  if (record.type === 'MX') {
    const exchange = change((record.data.exchange ?? '').toLowerCase());
    return exchange === undefined ? record : { ...record, data: { ...record.data, exchange } };
  }
  if (!targets[record.type]) return record;
  const target = change(String((record as { data?: unknown }).data).toLowerCase());
  return target === undefined ? record : ({ ...record, data: target } as Answer);
}

const ownerChange =
  (change: NameChange): ResponseChange =>
  (record) => {
    const name = change(record.name.toLowerCase().replace(/\.$/, ''));
    return name === undefined ? record : { ...record, name };
  };

/** `answer auto | answer [name] FROM TO | answer value FROM TO`, any number of them. */
function answerChanges(words: readonly Token[], line: Line): { changes: ResponseChange[]; auto: boolean } {
  const changes: ResponseChange[] = [];
  let auto = false;
  for (let i = 0; i < words.length; ) {
    const word = words[i] as Token;
    if (word.text !== 'answer') throw errorAt(word, `invalid syntax for a name rule: expected 'answer', got '${word.text}'`);
    const what = words[i + 1];
    if (what?.text === 'auto') {
      auto = true;
      i += 2;
      continue;
    }
    const named = what?.text === 'name' || what?.text === 'value';
    const [from, to] = named ? [words[i + 2], words[i + 3]] : [words[i + 1], words[i + 2]];
    if (!from || !to) throw argumentError(line);
    const change = nameChange('regex', from, to);
    changes.push(what?.text === 'value' ? (record) => changeTarget(record, change) : ownerChange(change));
    i += named ? 4 : 3;
  }
  return { changes, auto };
}

function nameRule(words: readonly Token[], line: Line, goesOn: boolean): RewriteRule {
  const typed = kinds.includes(words[0]?.text.toLowerCase() ?? '');
  const kind = typed ? (words[0]?.text.toLowerCase() ?? 'exact') : 'exact';
  const [from, to, ...rest] = typed ? words.slice(1) : words;
  if (!from || !to) throw argumentError(line);
  const { changes, auto } = answerChanges(rest, line);
  if (auto && kind === 'regex') throw errorAt(line.name, 'answer auto is not available for regex rules');
  const change = nameChange(kind, from, to);
  const back = kind === 'exact' || auto ? [...changes, ownerChange(nameChange(kind, to, from))] : changes;
  return {
    goesOn,
    rewrite(query) {
      const name = change(query.name);
      return name === undefined ? undefined : { query: withQuestion(query, { name }), changes: back };
    },
  };
}

function ttlRule(words: readonly Token[], line: Line, goesOn: boolean): RewriteRule {
  const typed = kinds.includes(words[0]?.text.toLowerCase() ?? '');
  const kind = typed ? (words[0]?.text.toLowerCase() ?? 'exact') : 'exact';
  const [from, ttl] = typed ? words.slice(1) : words;
  const range = /^(?:(\d+)|(\d*)-(\d*))$/.exec(ttl?.text ?? '');
  if (!from || !ttl || !range) throw argumentError(line);
  const [least, most] = range[1] ? [Number(range[1]), Number(range[1])] : [Number(range[2] || 0), Number(range[3] || 0xffff_ffff)];
  const matches = nameChange(kind, from, from);
  const change: ResponseChange = (record) => ({ ...record, ttl: Math.min(most, Math.max(least, (record as { ttl?: number }).ttl ?? 0)) }) as Answer;
  return { goesOn, rewrite: (query) => (matches(query.name) === undefined ? undefined : { query, changes: [change] }) };
}

/** `rewrite [continue|stop] FIELD ...`. Throws CorefileError. */
export function parseRule(line: Line): RewriteRule {
  const words = [...line.args, ...line.block.flatMap(({ name, args }) => [name, ...args])];
  const mode = words[0]?.text.toLowerCase();
  const moded = mode === 'continue' || mode === 'stop';
  const [field, ...rest] = moded ? words.slice(1) : words;
  const goesOn = mode === 'continue';
  switch (field?.text.toLowerCase()) {
    case undefined:
      throw errorAt(line.name, 'no rule type specified for rewrite');
    case 'answer':
      throw errorAt(line.name, 'response rewrites must begin with a name rule');
    case 'name':
      return nameRule(rest, line, goesOn);
    case 'ttl':
      return ttlRule(rest, line, goesOn);
    case 'type': {
      const [from, to] = rest.map((word) => word.text.toUpperCase());
      if (!from || !to || rest.length !== 2) throw errorAt(line.name, 'type rules must have exactly two arguments');
      for (const word of rest) if (typeNumber(word.text.toUpperCase()) === undefined) throw errorAt(word, `invalid type '${word.text}'`);
      return { goesOn, rewrite: (query) => (query.type === from ? { query: withQuestion(query, { type: to }), changes: [] } : undefined) };
    }
    case 'class': {
      const [from, to] = rest.map((word) => word.text.toUpperCase());
      if (!from || !to || rest.length !== 2) throw errorAt(line.name, 'class rules must have exactly two arguments');
      return { goesOn, rewrite: (query) => (query.class === from ? { query: { ...query, class: to }, changes: [] } : undefined) };
    }
    default:
      throw errorAt(field ?? line.name, `invalid rule type ${JSON.stringify(field?.text)}`);
  }
}
