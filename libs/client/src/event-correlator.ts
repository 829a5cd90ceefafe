import { Recent } from './recent.ts';

/** Events that are alike: one object of the API, told of again and again. */
export interface EventLine<Write> {
  /** As it is told, without what makes one of a flood different from the next. */
  readonly message: string;
  /** The Event that was written, and how often it had been told by then. */
  written: { readonly name: string; count: number } | undefined;
  /** The newest write that was asked for and is not over. */
  last: Write | undefined;
}

/** What an event says, besides the object that it is about. */
export interface EventSubject {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** Events of one object that only their messages tell apart. */
interface Group<Write> {
  readonly type: string;
  readonly reason: string;
  readonly fieldPath: string | undefined;
  lastMs: number;
  /** Different ones of late. Of most there is one, and it is not yet a set. */
  messages: string | Set<string>;
  /** Most groups have one line. */
  newest: EventLine<Write>;
  others: Recent<EventLine<Write>> | undefined;
}

interface ObjectEvents<Write> {
  /** How many more may be told of it at once. */
  tokens: number;
  filledMs: number;
  readonly groups: Group<Write>[];
}

const maxSimilar = 10;
const similarWithinMs = 600_000;
const burst = 25;
const refillMs = 300_000;
const maxRemembered = 4_096;
const maxLines = 64;
const combined = '(combined from similar events): ';

function isGroup(group: Group<unknown>, { type, reason, fieldPath }: EventSubject): boolean {
  return group.reason === reason && group.fieldPath === fieldPath && group.type === type;
}

const newLine = <Write>(message: string): EventLine<Write> => ({ message, written: undefined, last: undefined });

/** The line of a message; the one asked for last is at hand. */
function lineOf<Write>(group: Group<Write>, message: string): EventLine<Write> {
  const { newest } = group;
  if (newest.message === message) return newest;
  group.others ??= new Recent(maxLines);
  group.others.set(newest.message, newest);
  return (group.newest = group.others.get(message) ?? newLine(message));
}

/** More than ten different messages of one reason within ten minutes are told as one; which that is begins with `combined`. */
function aggregated(group: Group<unknown>, message: string, nowMs: number): string {
  if (nowMs - group.lastMs > similarWithinMs) group.messages = message;
  group.lastMs = nowMs;
  if (group.messages === message) return message;
  if (typeof group.messages === 'string') group.messages = new Set([group.messages]);
  const { messages } = group;
  messages.add(message);
  if (messages.size < maxSimilar) return message;
  for (const first of messages) {
    messages.delete(first);
    break;
  }
  return combined;
}

/**
 * What becomes of events of one source before they are written: client-go's spam filter, aggregator and counter. What is remembered of one object
 * is together, so that an event costs a look by the object's name and no text made for it.
 */
export class EventCorrelator<Write> {
  private readonly objects = new Recent<ObjectEvents<Write>>(maxRemembered);

  /** The line that the event belongs to and what it is to say; undefined: the object is told of too often (25 at once, then one every five minutes). */
  place(object: string, subject: EventSubject, nowMs: number): { line: EventLine<Write>; message: string } | undefined {
    let events = this.objects.get(object);
    events ??= { tokens: burst, filledMs: nowMs, groups: [] };
    this.objects.set(object, events);
    events.tokens = Math.min(burst, events.tokens + (nowMs - events.filledMs) / refillMs);
    events.filledMs = nowMs;
    if (events.tokens < 1) return undefined;
    events.tokens -= 1;
    const { type, reason, fieldPath, message } = subject;
    for (const group of events.groups) {
      if (!isGroup(group, subject)) continue;
      const told = aggregated(group, message, nowMs);
      return { line: lineOf(group, told), message: told === combined ? combined + message : message };
    }
    const line = newLine<Write>(message);
    events.groups.push({ type, reason, fieldPath, lastMs: nowMs, messages: message, newest: line, others: undefined });
    return { line, message };
  }
}
