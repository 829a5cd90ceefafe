import type { KindDescriptor } from '@orrery/api';
import type { UserInfo } from './request-info.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

/**
 * The second run of the mutating half: when a plug-in that calls out (webhooks, policies) changed the object, all of them run
 * once more, so that earlier ones see the change; those that call out decide which of theirs to ask again.
 */
export interface Reinvocation {
  /** This is the second run. */
  readonly isSecond: boolean;
  /** Asks for a second run; without effect in it. */
  request(): void;
  /** What one plug-in remembers from run to run of this attempt. */
  state<T extends object>(plugin: string, make: () => T): T;
}

/** One write on its way to storage, as admission sees it. */
export interface AdmissionAttributes {
  readonly user: UserInfo;
  readonly operation: Operation;
  /** Kind of the resource that the URL names (of `pods/binding` the Pod's). */
  readonly kind: KindDescriptor;
  /** Kind of `object` where a subresource takes another one (Binding, Eviction, Scale, TokenRequest). */
  readonly objectKind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly subresource: string;
  readonly namespace: string;
  /** On a create with generateName: empty for `admit`, as the name is drawn afterwards. */
  readonly name: string;
  /** The draft: `admit` may change it in place. Undefined for DELETE and bare CONNECT. */
  object: any;
  /** As stored; never change it. Undefined for CREATE and CONNECT. */
  readonly oldObject: any;
  readonly dryRun: boolean;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions as sent; for CONNECT the connect options (query). */
  readonly options: Readonly<Record<string, unknown>>;
  readonly reinvocation: Reinvocation;
  /** Adds a `Warning` header to the reply. */
  warn(text: string): void;
  /** Adds to the audit record of the request. */
  annotate(key: string, value: string): void;
  /** Runs when the write was stored (`committed`) or came to nothing: give back a reservation such as quota. */
  onFinish(fn: (committed: boolean) => void | Promise<void>): void;
}

/**
 * One admission plug-in. All `admit` run in order (twice, if one asks for it: see Reinvocation), then the object is defaulted and validated, then all `validate` run. An
 * update is retried on a storage conflict, so both may run more than once for one request. Throw a StatusError
 * (`forbidden(…)`) to refuse.
 */
export interface AdmissionPlugin {
  readonly name: string;
  /** Which writes it wants to see; asked first, so uninterested plug-ins cost nothing. */
  handles(attributes: AdmissionAttributes): boolean;
  admit?(attributes: AdmissionAttributes): Promise<void> | void;
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
}
