import type { BoundCounter, Env } from '@orrery/runtime';
import type { Access } from '../pipeline/access.ts';
import type { Decision } from '../pipeline/authorization.ts';
import type { UserInfo } from '../pipeline/request-info.ts';

/** Powers of two from a millisecond on. */
const buckets = Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i);

const ownNames = new Set(['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default']);

/** Names are folded as upstream does it, so that there are only a few. */
function foldedName(username: string): string {
  if (ownNames.has(username)) return username;
  return username.includes('@') ? 'email_id' : 'other';
}

function authenticationMeter({ metrics, clock }: Env): (authenticate: Access['authenticate']) => Access['authenticate'] {
  const attempts = metrics.counter('authentication_attempts', 'Counter of authenticated attempts.');
  const seconds = metrics.histogram('authentication_duration_seconds', 'Authentication duration in seconds broken out by result.', buckets);
  const users = metrics.counter('authenticated_user_requests', 'Counter of authenticated requests broken out by username.');
  const seriesOf = (result: string) => ({ attempts: attempts.with({ result }), seconds: seconds.with({ result }) });
  const outcomes = { success: seriesOf('success'), failure: seriesOf('failure'), error: seriesOf('error') };
  const known = new Map<string, BoundCounter>();
  const usersOf = (username: string): BoundCounter => {
    let found = known.get(username);
    if (!found) known.set(username, (found = users.with({ username })));
    return found;
  };
  return (authenticate) => async (credentials) => {
    const from = clock.monotonic();
    let outcome = outcomes.error;
    try {
      const user: UserInfo | undefined = await authenticate(credentials);
      outcome = user ? outcomes.success : outcomes.failure;
      if (user) usersOf(foldedName(user.username)).inc();
      return user;
    } finally {
      outcome.attempts.inc();
      outcome.seconds.observe((clock.monotonic() - from) / 1000);
    }
  };
}

const results: Readonly<Record<Decision['decision'], string>> = { allow: 'allowed', deny: 'denied', noOpinion: 'no-opinion' };

/** Stays synchronous where the authorizers are. */
function authorizationMeter({ metrics, clock }: Env): (authorize: Access['authorize']) => Access['authorize'] {
  const attempts = metrics.counter('authorization_attempts_total', "Counter of authorization attempts broken down by result. It can be either 'allowed', 'denied', 'no-opinion' or 'error'.");
  const seconds = metrics.histogram('authorization_duration_seconds', 'Authorization duration in seconds broken out by result.', buckets);
  const seriesOf = (result: string) => ({ attempts: attempts.with({ result }), seconds: seconds.with({ result }) });
  const outcomes = { allow: seriesOf(results.allow), deny: seriesOf(results.deny), noOpinion: seriesOf(results.noOpinion), error: seriesOf('error') };
  return (authorize) => (attributes) => {
    const from = clock.monotonic();
    const note = (result: keyof typeof outcomes): void => {
      outcomes[result].attempts.inc();
      outcomes[result].seconds.observe((clock.monotonic() - from) / 1000);
    };
    const answer = authorize(attributes);
    if (!(answer instanceof Promise)) {
      note(answer.decision);
      return answer;
    }
    answer.then(({ decision }) => note(decision), () => note('error'));
    return answer;
  };
}

/** Who asked and whether they might, as upstream counts it. */
export function meteredAccess(access: Access, env: Env): Access {
  const authenticate = authenticationMeter(env)(access.authenticate);
  const authorize = authorizationMeter(env)(access.authorize);
  return {
    authenticate,
    authorize,
    get impersonator() {
      return access.impersonator;
    },
    allowsAnonymous: (path) => access.allowsAnonymous(path),
    get checksCredentials() {
      return access.checksCredentials;
    },
  };
}
