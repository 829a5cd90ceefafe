import { HttpParseError } from '@orrery/http';
import { NetError } from '@orrery/vnet';
import { TlsError, UnsupportedScheme, httpCall } from '../../net/http-client.ts';
import { ResolveError } from '../../net/resolver.ts';
import type { Proc } from '../../process/proc.ts';

const directory = '/var/run/secrets/kubernetes.io/serviceaccount';
const timeoutMs = 10_000;

/** The API server cannot be asked. */
export class InClusterError extends Error {}

/** A request to the API server (or, with a full URL, to whoever it trusts) with the pod's own token and authorities. */
export async function askApi(proc: Proc, target: string, sent: { method?: string; body?: string } = {}): Promise<{ status: number; body: string }> {
  const [host, port] = [proc.env.get('KUBERNETES_SERVICE_HOST') ?? '', proc.env.get('KUBERNETES_SERVICE_PORT') ?? ''];
  if (!host || !port) throw new InClusterError('unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined');
  if (!proc.fs.exists(`${directory}/token`)) throw new InClusterError(`open ${directory}/token: no such file or directory`);
  const token = proc.fs.readText(`${directory}/token`);
  const url = new URL(target, `https://${host.includes(':') ? `[${host}]` : host}:${port}`);
  try {
    const { method = 'GET', body } = sent;
    const headers: [string, string][] = [['Authorization', `Bearer ${token}`], ['Accept', 'application/json'], ...(body === undefined ? [] : ([['Content-Type', 'application/json']] as [string, string][]))];
    const reply = await httpCall(proc, { url, timeoutMs, method, headers, ...(body === undefined ? {} : { body: Buffer.from(body) }), tls: { verify: true, ca: proc.fs.readText(`${directory}/ca.crt`) } });
    const chunks: Uint8Array[] = [];
    for await (const bytes of reply.body) chunks.push(bytes);
    return { status: reply.status, body: Buffer.concat(chunks).toString() };
  } catch (error) {
    if (error instanceof NetError || error instanceof TlsError || error instanceof ResolveError || error instanceof HttpParseError || error instanceof UnsupportedScheme) throw new InClusterError(`${sent.method === 'POST' ? 'Post' : 'Get'} ${JSON.stringify(url.href)}: ${error.message}`);
    throw error;
  }
}
