import type { Configuration, Message } from '@orrery/raft';
import type { Env } from '@orrery/runtime';
import type { PinnedSnapshot } from '../member.ts';
import type { Links } from './links.ts';
import type { MembershipState } from './membership.ts';

export type SnapshotMessage = Extract<Message, { type: 'snapshot' }>;

/** A snapshot that has come, whole and understood. */
export interface Incoming {
  readonly chunks: readonly Uint8Array[];
  /** Makes its state that of this member; returns who is in the cluster by it. */
  readonly use: () => MembershipState;
}

export interface SnapshotTransferOptions {
  readonly env: Env;
  readonly links: () => Links;
  /** Decodes a snapshot; throws when it is damaged. Nothing changes before what this returns is called. */
  readonly prepare: (snapshot: Uint8Array) => () => MembershipState;
  readonly snapshot: () => PinnedSnapshot;
  /** Whether the member has the snapshot that it was sent. */
  readonly arrived: (member: string, did: boolean) => void;
}

/** Snapshots on their way between this member and the others. */
export class SnapshotTransfer {
  private readonly options: SnapshotTransferOptions;
  private readonly incoming = new Map<number, Incoming>();

  constructor(options: SnapshotTransferOptions) {
    this.options = options;
  }

  /** Keeps what a leader has sent until the algorithm says what becomes of it. Throws when it is damaged: the leader is told, and sends another. */
  receive(message: SnapshotMessage, chunks: readonly Uint8Array[]): void {
    this.incoming.set(message.snapshot.index, { chunks, use: this.options.prepare(Buffer.concat(chunks)) });
  }

  take(index: number): Incoming {
    const incoming = this.incoming.get(index);
    if (!incoming) throw new Error(`the data of snapshot ${index} is missing`);
    return incoming;
  }

  /** Those that the algorithm did not want. */
  forget(): void {
    this.incoming.clear();
  }

  /** Sends the state as it is now, which may be newer than when the algorithm asked for it. */
  send(message: SnapshotMessage, at: { index: number; term: number; configuration: Configuration }): void {
    const { env, links, snapshot, arrived } = this.options;
    const { chunks, release } = snapshot();
    env.log.info('sending a snapshot', { member: message.to, index: at.index });
    const over = (did: boolean): void => {
      release();
      arrived(message.to, did);
    };
    links()
      .sendSnapshot({ ...message, snapshot: at }, chunks)
      .then(
        () => over(true),
        (error: unknown) => {
          env.log.warn('a snapshot did not arrive', { member: message.to, error });
          over(false);
        },
      );
  }
}
