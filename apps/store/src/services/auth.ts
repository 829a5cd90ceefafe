import { type AuthenticateRequest, type AuthenticateResponse, AuthDefinition } from '@orrery/proto/etcd';
import { type CallContext, type ServedService, service } from '@orrery/rpc';
import { type AuthEntry, type AuthKind, authKinds } from '../auth/auth-calls.ts';
import { AuthError } from '../auth/auth-error.ts';
import type { Gate } from '../auth/gate.ts';
import { hashPassword, passwordMatches } from '../auth/passwords.ts';
import { newToken } from '../auth/tokens.ts';
import { toEtcdError } from '../errors.ts';
import type { Member } from '../member.ts';

type RequestOf<K extends AuthKind> = Extract<AuthEntry, { kind: K }>['request'];

/** Passwords are hashed here, once, so that the log holds no secret and all members hold the same hash. */
async function withoutPassword<T extends RequestOf<'userAdd'> | RequestOf<'userChangePassword'>>(request: T): Promise<T> {
  const noPassword = 'options' in request && request.options?.noPassword;
  return { ...request, password: '', hashedPassword: noPassword ? '' : await hashPassword(request.password ?? '') };
}

/** Throws unless the password is the user's; resolves to the revision of users at which it was. */
async function checkPassword({ auth }: Member['machine'], { name = '', password = '' }: AuthenticateRequest): Promise<number> {
  if (!auth.enabled) throw new AuthError('authNotEnabled');
  const { revision } = auth;
  const user = auth.user(name);
  if (!user) throw new AuthError('authFailed');
  if (user.noPassword) throw new AuthError('passwordlessUser');
  if (!(await passwordMatches(password, user.password))) throw new AuthError('authFailed');
  return revision;
}

async function authenticate(member: Member, request: AuthenticateRequest): Promise<AuthenticateResponse> {
  const { name = '' } = request;
  // Authentication may have been turned on, and the user made, elsewhere.
  await member.readBarrier();
  for (;;) {
    const revision = await checkPassword(member.machine, request);
    const token = newToken(member.appliedIndex + 1);
    const answer = await member.propose({ kind: 'authenticate', request: { name, password: token } });
    // Hashing takes a while. Should users have changed meanwhile, the password may be the wrong one by now.
    if (member.machine.auth.revision === revision) return answer;
  }
}

/** The Auth service. Every call is an entry of the log, so that all members answer alike. */
export function authService(member: Member, gate: Gate): ServedService {
  const checked = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw toEtcdError(error);
    }
  };
  const proposing = Object.fromEntries(
    authKinds.map((kind) => [
      kind,
      (request: AuthEntry['request'], context: CallContext) =>
        checked(() => member.propose({ kind, request, ...gate.signature(context) } as AuthEntry)),
    ]),
  );
  return service(AuthDefinition, {
    ...proposing,
    authenticate: (request) => checked(() => authenticate(member, request)),
    userAdd: (request, context) =>
      checked(async () => member.propose({ kind: 'userAdd', request: await withoutPassword(request), ...gate.signature(context) })),
    userChangePassword: (request, context) =>
      checked(async () => member.propose({ kind: 'userChangePassword', request: await withoutPassword(request), ...gate.signature(context) })),
  });
}
