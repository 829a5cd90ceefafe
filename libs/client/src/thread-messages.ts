import type { KubeObject, ResourceRef } from '@orrery/apimachinery';
import type { Status } from '@orrery/errors';
import type { ApiClient, ObjectList, WatchEvent, WatchOptions } from './api-client.ts';

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
  /** Watches that shall end; each then is answered as closed, the last that is told of it. */
  readonly stops: readonly number[];
}

/**
 * Shows a watch all objects of its kind? Then both sides know which version of each was shown last, and of the next one only what is new crosses.
 */
export const showsAll = ({ namespace, labelSelector, fieldSelector }: WatchOptions): boolean => !namespace && !labelSelector && !fieldSelector;

/** Parts of an object that are as in the version before, as bits. */
export const sameSpec = 1;
/** All but kind, apiVersion, metadata and spec. */
export const sameTail = 2;

/**
 * How an object crosses: as it is, with the resourceVersion that its bytes lack (0: they have it); without what is as in the version `base`, which
 * watches that show all have shown last (`spec` is null where it is that, so that all objects of a kind have one shape); or not at all, since it is what they have shown last.
 */
export type Crossing = number | readonly [revision: number, kind: number, same: number, base: number] | readonly [revision: number, kind: number, uid: string];

export type ThreadAnswer =
  | { readonly id: number; readonly object: number }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly failure: Status }
  | { readonly id: number; readonly list: Omit<ObjectList<KubeObject>, 'items'>; readonly items: readonly number[] }
  | { readonly id: number; readonly events: readonly (readonly [type: WatchEvent['type'], object: number])[] }
  /** The end of a watch. */
  | { readonly id: number; readonly closed: Status | null };

/** As JSON; answers name objects by their place among those of the message. */
export interface ThreadNews {
  readonly answers: readonly ThreadAnswer[];
  readonly objects: readonly Crossing[];
}

export interface ThreadAnswers {
  /** ThreadNews as JSON. */
  readonly news: string;
  /** Each a JSON array of objects in UTF-8: in order those that cross. */
  readonly objects: readonly ArrayBuffer[];
}
