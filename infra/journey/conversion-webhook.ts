import { type HttpServer, ensurePki, serveHttp } from '@orrery/node-io';

export interface ConversionWebhook {
  readonly url: string;
  /** Its authority, base64 of PEM, as a definition takes it. */
  readonly caBundle: string;
  /** From now on it answers nothing but errors, or works again. */
  break(isBroken: boolean): void;
  close(): Promise<void>;
}

type Host = Record<string, unknown> & { readonly metadata: object };

/** v1 has `hostPort: "a:1"`, v2 `host` and `port`. */
function converted({ hostPort, host, port, ...rest }: Host, to: string): object {
  const [name, number] = String(hostPort ?? `${String(host)}:${String(port)}`).split(':');
  return { ...rest, apiVersion: to, ...(to.endsWith('/v2') ? { host: name, port: number } : { hostPort: `${name}:${number}` }) };
}

/** A conversion webhook of its own, over HTTPS on this machine. */
export async function startConversionWebhook(): Promise<ConversionWebhook> {
  const pki = ensurePki(undefined);
  const { cert, key } = pki.servingCert('convert', { subject: { commonName: 'convert' }, altNames: { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] } });
  let isBroken = false;
  const server: HttpServer = await serveHttp({
    host: '127.0.0.1', port: 0, tls: { cert, key },
    handler: {
      async request(request, response) {
        const { apiVersion, kind, request: asked } = JSON.parse((await request.body(10_000_000)).toString()) as { apiVersion: string; kind: string; request: { uid: string; desiredAPIVersion: string; objects: Host[] } };
        if (isBroken) return response.send(500, { 'content-type': 'text/plain' }, 'out of order');
        const convertedObjects = asked.objects.map((one) => converted(one, asked.desiredAPIVersion));
        response.send(200, { 'content-type': 'application/json' }, JSON.stringify({ apiVersion, kind, response: { uid: asked.uid, convertedObjects, result: { status: 'Success' } } }));
      },
    },
  });
  return {
    url: `https://127.0.0.1:${server.port}/convert`,
    caBundle: Buffer.from(pki.caCert).toString('base64'),
    break: (broken) => void (isBroken = broken),
    close: () => server.close(),
  };
}
