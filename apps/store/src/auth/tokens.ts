import type { Clock } from '@orrery/runtime';
import type { Entry } from '../entry.ts';

/** How long a token lives after its last use: etcd's simple tokens. */
const ttlMs = 300_000;
const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const prefixLength = 16;

/** Sixteen letters, a dot and a position in the log, in the shape of etcd's. The letters are the secret. */
export function newToken(index: number): string {
  let prefix = '';
  while (prefix.length < prefixLength) {
    // 52 of 64 values are letters; the others are drawn again, so that all are equally likely.
    for (const byte of crypto.getRandomValues(new Uint8Array(prefixLength))) {
      if (prefix.length < prefixLength) prefix += letters[byte & 63] ?? '';
    }
  }
  return `${prefix}.${index}`;
}

/** The entry of the log that a token came with; 0 for what is no token. */
export function indexOfToken(token: string): number {
  const index = /^[a-zA-Z]{16}\.(\d+)$/.exec(token)?.[1];
  return index === undefined ? 0 : Number(index);
}

interface Token {
  readonly user: string;
  readonly deadline: number;
}

/**
 * Who holds which token. Tokens come by the log, so every member knows them; their time is each member's own affair, and
 * they are in memory only: after a restart clients authenticate anew, which they do by themselves.
 */
export class Tokens {
  private readonly clock: Clock;
  /** Used longest ago first. */
  private readonly held = new Map<string, Token>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** To be called with every entry that was applied. */
  applied(entry: Entry): void {
    if (entry.kind === 'authenticate') this.assign(entry.request.password ?? '', entry.request.name ?? '');
    else if (entry.kind === 'userDelete' || entry.kind === 'userChangePassword') this.forget(entry.request.name ?? '');
    else if (entry.kind === 'authDisable') this.clear();
  }

  clear(): void {
    this.held.clear();
  }

  private assign(token: string, user: string): void {
    const now = this.clock.monotonic();
    for (const [old, { deadline }] of this.held) {
      if (deadline > now) break;
      this.held.delete(old);
    }
    this.held.set(token, { user, deadline: now + ttlMs });
  }

  private forget(user: string): void {
    for (const [token, held] of this.held) if (held.user === user) this.held.delete(token);
  }

  /** The user of a token, whose time starts anew; undefined when it is none, or over. */
  use(token: string): string | undefined {
    const held = this.held.get(token);
    if (!held) return undefined;
    const now = this.clock.monotonic();
    this.held.delete(token);
    if (held.deadline <= now) return undefined;
    this.held.set(token, { user: held.user, deadline: now + ttlMs });
    return held.user;
  }
}
