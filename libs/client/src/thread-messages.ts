import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { Status } from '@orrery/errors';
import type { ApiClient, ObjectList, WatchEvent } from './api-client.ts';

/**
 * How an API server and its clients in another thread of the same process speak: what has gathered in a turn of the event loop goes as one
 * message, or as several in a long turn. Requests are JSON as one string; answers carry objects as the bytes that the store has, so the server's thread encodes none.
 */

/** Calls or answers that do not wait for the end of the turn: else each thread would stand still while the other has a long one. */
export const mostAtOnce = 64;

/** One end of a way between threads (a MessagePort, or what stands for one in a test). Messages arrive whole and in order. */
export interface ThreadLink<In, Out> {
  post(message: Out, transfer?: readonly ArrayBuffer[]): void;
  /** Called once, before the first message is awaited. */
  receive(use: (message: In) => void): void;
}

/** Whose requests they are; `program` is the manager of the fields that they write. */
export interface ThreadUser {
  readonly username: string;
  readonly groups: readonly string[];
  readonly program?: string;
}

export type CallName = Exclude<keyof ApiClient, 'watch' | 'close'>;

/** The number of a call or watch, of its client, its name, and the arguments; kinds go by their numbers. */
export type ThreadCall = readonly [id: number, client: number, name: CallName | 'watch', ...args: unknown[]];

/** As JSON. Clients and kinds are numbered by the order in which they were told. */
export interface ThreadRequests {
  readonly clients: readonly ThreadUser[];
  readonly kinds: readonly ResourceRef[];
  readonly calls: readonly ThreadCall[];
  /** Watches that end. */
  readonly stops: readonly number[];
}

/** An object among those of the message: its place, and its resourceVersion where its bytes do not have it. */
export type ObjectAt = readonly [place: number, revision?: number];

export type ThreadAnswer =
  | { readonly id: number; readonly object: ObjectAt }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Status }
  | { readonly id: number; readonly list: Omit<ObjectList<KubeObject>, 'items'>; readonly items: readonly ObjectAt[] }
  | { readonly id: number; readonly events: readonly (readonly [type: WatchEvent['type'], object: ObjectAt])[] }
  /** The end of a watch. */
  | { readonly id: number; readonly closed: Status | null };

export interface ThreadAnswers {
  /** ThreadAnswer[] as JSON. */
  readonly answers: string;
  /** Each a JSON array of objects in UTF-8; an object's place counts through all of them. */
  readonly objects: readonly ArrayBuffer[];
}
