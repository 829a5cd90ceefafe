import { serveHttp } from '@orrery/node-io';
import { type Pki, ensurePki } from '@orrery/node-io/pki';

/** A server over HTTPS on a loopback port that answers with JSON; for tests of what the API server asks others. */
export interface JsonServer {
  readonly url: string;
  /** PEM of the CA that its certificate chains to. */
  readonly ca: string;
  /** `METHOD path` of what came, in order. */
  readonly requests: string[];
  /** Kubeconfig text of a client of it. */
  readonly kubeconfig: string;
  close(): Promise<void>;
}

type Answer = (request: { readonly method: string; readonly path: string; readonly body: string; readonly authorization: string }) => { readonly status?: number; readonly headers?: Record<string, string>; readonly body: unknown; /** Sent as it is, in place of `body`. */ readonly text?: string };

let shared: Pki | undefined;

export async function jsonServer(answer: Answer): Promise<JsonServer> {
  const pki = (shared ??= ensurePki(undefined));
  const requests: string[] = [];
  const server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    tls: { cert: pki.serverCert, key: pki.serverKey },
    handler: {
      async request(request, response) {
        const body = (await request.body(1 << 20)).toString('utf8');
        requests.push(`${request.method} ${request.url}`);
        const { authorization } = request.headers;
        const { status = 200, headers = {}, body: reply, text } = answer({ method: request.method, path: request.url, body, authorization: typeof authorization === 'string' ? authorization : '' });
        response.send(status, { 'content-type': 'application/json', ...headers }, text ?? JSON.stringify(reply));
      },
    },
  });
  const url = `https://127.0.0.1:${server.port}`;
  const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "${url}/review?x=1", certificate-authority-data: ${Buffer.from(pki.caCert).toString('base64')}}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`;
  return { url, ca: pki.caCert, requests, kubeconfig, close: () => server.close() };
}
