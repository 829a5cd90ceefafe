import type { FactContent, FeedFact } from '@orrery/bus';
import { expect, test } from 'vitest';
import { FeedFollower, type FeedStep } from './feed-follower.ts';

const fact = (content: FactContent, after: number, revision: number, publisher = 'p'): FeedFact => ({
  publisher, version: 'v1', after, revision, content, entered: false, payload: new Uint8Array(),
});

/** `event 10 12 q`: a fact of publisher q; `watched 12`; `beat 20 p`: a heartbeat; `lose silence`. */
function feed(follower: FeedFollower, line: string): FeedStep[] {
  const [word = '', a = '', b = '', who = 'p'] = line.split(' ');
  if (word === 'watched') return follower.watched(Number(a));
  if (word === 'beat') return follower.heartbeat(b, Number(a));
  if (word === 'lose') return follower.lose(a as 'silence');
  return follower.fact(fact(word as FactContent, Number(a), Number(b), who));
}

function show(step: FeedStep): string {
  if (step.do === 'deliver') return `deliver ${step.fact.revision}`;
  if (step.do === 'advance') return `${step.moved ? 'advance' : 'confirm'} ${step.revision}`;
  return step.do === 'resume' ? `resume ${step.reason}` : 'join';
}

test.each<[string, string[], string[], number]>([
  ['a fact that follows the list joins and delivers', ['event 7 11'], ['join', 'deliver 11'], 11],
  ['a mark at the very revision joins', ['mark 3 10'], ['join', 'confirm 10'], 10],
  ['a mark ahead joins and advances', ['mark 10 15'], ['join', 'advance 15'], 15],
  ['a mark behind says nothing', ['mark 3 9'], [], 10],
  ['a fact from after a gap waits for the API server', ['event 12 13', 'watched 11', 'watched 12'], ['join', 'deliver 13'], 13],
  ['what both delivered comes once', ['event 12 13', 'watched 13', 'event 13 14'], ['join', 'confirm 13', 'deliver 14'], 14],
  ['kept facts come in order', ['event 12 13', 'event 13 14', 'event 14 15', 'watched 12'], ['join', 'deliver 13', 'deliver 14', 'deliver 15'], 15],
  ['a gap among kept facts', ['event 12 13', 'event 14 15', 'watched 12'], ['join', 'deliver 13', 'resume gap'], 13],
  ['a gap live', ['mark 3 10', 'event 12 13'], ['join', 'confirm 10', 'resume gap'], 10],
  ['what shows the gap is kept', ['mark 3 10', 'event 12 13', 'watched 12'], ['join', 'confirm 10', 'resume gap', 'join', 'deliver 13'], 13],
  ['a doubled message', ['event 10 11', 'event 10 11', 'event 11 12', 'event 10 11'], ['join', 'deliver 11', 'confirm 11', 'deliver 12'], 12],
  ['a late message of the past', ['mark 10 15', 'event 8 12'], ['join', 'advance 15'], 15],
  ['two publishers', ['event 10 11', 'event 10 11 q', 'event 11 12 q', 'event 11 12'], ['join', 'deliver 11', 'confirm 11', 'deliver 12', 'confirm 12'], 12],
  ['another publisher that is ahead is no gap', ['event 10 11', 'event 12 13 q', 'event 11 12', 'event 12 13'], ['join', 'deliver 11', 'deliver 12', 'deliver 13'], 13],
  ['another publisher takes over', ['event 10 11', 'event 11 12 q', 'event 13 14 q'], ['join', 'deliver 11', 'deliver 12', 'resume gap'], 12],
  ['too big', ['event 10 11', 'withheld 11 12', 'watched 12', 'mark 12 12'], ['join', 'deliver 11', 'resume withheld', 'join', 'confirm 12'], 12],
  ['too big while catching up', ['withheld 10 11'], [], 10],
  ['too big, already delivered by the API server', ['withheld 10 11', 'watched 11'], ['join', 'confirm 11'], 11],
  ['a publisher that started anew', ['mark 3 10', 'beat 8 p', 'beat 12 q', 'beat 12 p'], ['join', 'confirm 10', 'resume restart'], 10],
  ['silence only matters live', ['lose silence', 'mark 3 10', 'lose silence', 'lose silence'], ['join', 'confirm 10', 'resume silence'], 10],
  ['a bookmark of the API server', ['event 15 16', 'watched 15'], ['join', 'deliver 16'], 16],
  ['a watch of the API server that is over does not count', ['mark 3 10', 'watched 20', 'event 10 11'], ['join', 'confirm 10', 'deliver 11'], 11],
  ['an object without a revision', ['watched NaN', 'event 10 11'], ['join', 'deliver 11'], 11],
])('%s', (_, inputs, steps, revision) => {
  const follower = new FeedFollower(10);
  expect(inputs.flatMap((line) => feed(follower, line)).map(show)).toEqual(steps);
  expect(follower.revision).toBe(revision);
});

test('forgets the oldest facts beyond its limit, and joins by the newest', () => {
  const follower = new FeedFollower(10);
  for (let r = 12; r < 2_000; r++) expect(follower.fact(fact('event', r, r + 1))).toEqual([]);
  expect(follower.watched(100)).toEqual([]);
  expect(follower.watched(1_999).map(show)).toEqual(['join', 'confirm 1999', 'deliver 2000']);
});
