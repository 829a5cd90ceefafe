/** Moments of a run, in the order in which they came: finer than time, in which several may coincide. */
export type Moment = number;

/** A key's value as a client saw it; times are virtual milliseconds. */
export interface SeenKv {
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string;
}

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly kind: 'delete'; readonly key: string }
  /** Puts `value` if the key is as it was seen last (undefined: absent), else reads it. */
  | { readonly kind: 'swap'; readonly key: string; readonly value: string; readonly expected: { readonly value: string; readonly modRevision: number } | undefined }
  /** Several keys at one revision. */
  | { readonly kind: 'putAll'; readonly keys: readonly string[]; readonly value: string }
  /** One key, or all. */
  | { readonly kind: 'range'; readonly key: string | undefined; readonly serializable: boolean; readonly revision?: number };

export interface Answer {
  /** Of the header. */
  readonly revision: number;
  /** Of a range, and of a swap that found something else. */
  readonly kvs?: readonly SeenKv[];
  readonly deleted?: number;
  readonly swapped?: boolean;
}

/** One request of a client and what came of it. */
export interface Call {
  readonly client: string;
  readonly member: string;
  readonly operation: Operation;
  readonly invoked: Moment;
  returned?: Moment;
  answer?: Answer;
  /** The server said that nothing came of it, and never will. */
  refusal?: string;
}

export interface SeenEvent {
  readonly type: 'put' | 'delete';
  readonly kv: SeenKv;
  readonly previous?: SeenKv | undefined;
}

/** What a watching client was told, in order. A new connection begins with `opened`. */
export type Notice = { readonly at: Moment; readonly timeMs: number } & (
  | { readonly kind: 'opened'; readonly member: string; readonly startRevision: number }
  | { readonly kind: 'events'; readonly revision: number; readonly events: readonly SeenEvent[] }
  | { readonly kind: 'progress'; readonly revision: number }
  | { readonly kind: 'compacted'; readonly compactRevision: number }
);

/** A watch from the client's view: it goes on where it was, whoever answers. */
export interface WatchRecord {
  readonly id: string;
  /** One key; undefined for all. */
  readonly key: string | undefined;
  readonly withPrevious: boolean;
  readonly notices: Notice[];
}

export interface LeaseRecord {
  readonly id: string;
  readonly ttlMs: number;
  /** When each grant or renewal that was acknowledged had been asked for. */
  readonly renewals: { readonly askedMs: number }[];
  /** When its client began to end it. */
  revokedMs?: number;
}

/** One attempt to change what a user may do. */
export interface AuthChange {
  /** What it makes of it. */
  readonly state: 'allowed' | 'forbidden';
  readonly invoked: Moment;
  /** When it was known to be done. Without: it may be done at any time since it was begun. */
  returned?: Moment;
}

export interface History {
  readonly calls: Call[];
  readonly watches: WatchRecord[];
  readonly leases: LeaseRecord[];
  readonly auth: AuthChange[];
}

/** What a checker found wrong. */
export interface Finding {
  readonly checker: string;
  readonly message: string;
}
