import { type JSONWebKeySet, createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import type { Proc } from '../../process/proc.ts';
import type { Command } from './flags.ts';
import { goFatal, goLog } from './go-text.ts';
import { InClusterError, askApi } from './in-cluster.ts';

async function json<T>(proc: Proc, url: string): Promise<T> {
  const { status, body } = await askApi(proc, url);
  if (status !== 200) throw new InClusterError(`${status}: ${body}`);
  try {
    return JSON.parse(body) as T;
  } catch {
    throw new InClusterError(`failed to decode provider discovery object: got ${body.slice(0, 200)}`);
  }
}

async function validate(proc: Proc, token: string, audience: string): Promise<void> {
  const { iss: issuer = '' } = decodeJwt(token);
  await goLog(proc, `OK: got issuer ${issuer}`);
  const provider = await json<{ issuer?: string; jwks_uri?: string }>(proc, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
  if (provider.issuer !== issuer) throw new InClusterError(`oidc: issuer did not match the issuer returned by provider, expected ${JSON.stringify(issuer)} got ${JSON.stringify(provider.issuer ?? '')}`);
  await goLog(proc, `OK: Constructed OIDC provider for issuer ${issuer}`);
  const keys = createLocalJWKSet(await json<JSONWebKeySet>(proc, provider.jwks_uri ?? ''));
  await jwtVerify(token, keys, { issuer, audience, algorithms: ['RS256', 'ES256'], currentDate: new Date(proc.clock.now()) });
  await goLog(proc, 'OK: Validated signature on JWT');
  await goLog(proc, 'OK: Got valid claims from token!');
}

/** Verifies a mounted token by the issuer's own documents, as any OpenID Connect client does. */
export const issuerDiscovery: Command = async (proc, flags) => {
  const token = proc.fs.readText(proc.path(flags.get('token-path') ?? ''));
  await goLog(proc, 'OK: Got token');
  await goLog(proc, 'validating with in-cluster discovery');
  try {
    await validate(proc, token, flags.get('audience') ?? '');
    return 0;
  } catch (error) {
    // jose's errors carry a code; anything else is a fault of this program.
    if (!(error instanceof InClusterError) && !String((error as { code?: unknown }).code).startsWith('ERR_J')) throw error;
    return goFatal(proc, `failed to validate with in-cluster discovery: ${(error as Error).message}`);
  }
};

/** Asks /healthz with the pod's token again and again. */
export const inClusterClient: Command = async (proc, flags) => {
  const everyMs = flags.number('poll-interval', 30) * 1000;
  for (;;) {
    await goLog(proc, 'calling /healthz');
    try {
      const { status, body } = await askApi(proc, '/healthz');
      if (status !== 200) await goLog(proc, `status=${status}, ${body}`);
      const token = proc.fs.readText('/var/run/secrets/kubernetes.io/serviceaccount/token');
      const digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url');
      await goLog(proc, `authz_header=${digest}`);
    } catch (error) {
      if (!(error instanceof InClusterError)) throw error;
      await goLog(proc, error.message);
    }
    await proc.sleep(everyMs);
  }
};
