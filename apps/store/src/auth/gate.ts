import { rangeOf } from '@orrery/mvcc';
import type { TxnRequest } from '@orrery/proto/etcd';
import type { CallContext } from '@orrery/rpc';
import { AuthError } from './auth-error.ts';
import type { Caller } from './auth-calls.ts';
import type { AuthState } from './auth-state.ts';
import { type Permits, permitTxn } from './permits.ts';
import type { Tokens } from './tokens.ts';

/** The second is what the HTTP gateway makes of its header. */
export function tokenOf(metadata: CallContext['metadata']): string | undefined {
  return metadata['token'] ?? metadata['authorization'];
}

/**
 * Who calls, and what is decided without the log: reads, and what is no change of the replicated state. All methods throw
 * AuthError, and let everything pass while authentication is off.
 */
export class Gate {
  private readonly permits: Permits;
  private readonly tokens: Tokens;
  private readonly certificates: boolean;

  constructor(options: { permits: Permits; tokens: Tokens; /** Verified client certificates name their user. */ certificates: boolean }) {
    this.permits = options.permits;
    this.tokens = options.tokens;
    this.certificates = options.certificates;
  }

  private get auth(): AuthState {
    return this.permits.auth;
  }

  /** The user of the call's token or, without one, of its certificate. Throws for a token that is none. */
  caller({ metadata, peer }: CallContext): Caller | undefined {
    if (!this.auth.enabled) return undefined;
    const { revision } = this.auth;
    const token = tokenOf(metadata);
    if (token !== undefined) {
      const user = this.tokens.use(token);
      if (user === undefined) throw new AuthError('invalidToken');
      return { user, revision };
    }
    return this.certificates && peer.commonName ? { user: peer.commonName, revision } : undefined;
  }

  /** The part of an entry that says on whose behalf it is proposed. */
  signature(context: CallContext): { readonly as?: Caller } {
    const as = this.caller(context);
    return as ? { as } : {};
  }

  requireRead(context: CallContext, { key, rangeEnd }: { key?: Uint8Array | undefined; rangeEnd?: Uint8Array | undefined }): void {
    if (this.auth.enabled) this.auth.requireAccess(this.caller(context), 'read', rangeOf(key, rangeEnd));
  }

  requireTxn(context: CallContext, request: TxnRequest): void {
    if (this.auth.enabled) permitTxn(this.permits, this.caller(context), request);
  }

  /** What a lease holds is shown to those who may read it. */
  requireLeaseKeys(context: CallContext, id: string): void {
    const caller = this.requireUser(context);
    const keys = this.permits.leases.get(id)?.keys ?? [];
    for (const key of keys) this.auth.requireAccess(caller, 'read', { start: key, end: `${key}\0`, single: true });
  }

  requireAdmin(context: CallContext): void {
    this.auth.requireAdmin(this.caller(context));
  }

  /** Any user will do, but there must be one. */
  requireUser(context: CallContext): Caller | undefined {
    const caller = this.caller(context);
    if (this.auth.enabled && !caller) throw new AuthError('userEmpty');
    if (caller && !this.auth.user(caller.user)) throw new AuthError('permissionDenied');
    return caller;
  }
}
