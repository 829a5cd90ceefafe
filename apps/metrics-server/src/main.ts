import { readFileSync } from 'node:fs';
import { apiConnectionSchema, connectApi, createHttpClient, ensurePki, runMain, serveHttp, tlsMaterial } from '@orrery/node-io';
import { createMetricsServer, metricsServerSchema, serviceDnsName } from './component.ts';

const certificateSchema = {
  tlsCertFile: { type: 'string', default: '', help: `certificate for ${serviceDnsName} (PEM); empty: one of its own, which the API server does not verify` },
  tlsPrivateKeyFile: { type: 'string', default: '', help: 'its key (PEM)' },
  tlsCaFile: { type: 'string', default: '', help: 'CA that the API server verifies it by (PEM)' },
} as const;

await runMain({
  name: 'metrics-server',
  summary: 'serves metrics.k8s.io from what kubelets say of their nodes and pods',
  schema: { ...metricsServerSchema, ...certificateSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const pem = (path: string): string => (path ? readFileSync(path, 'utf8') : '');
    const own = (): { cert: string; key: string } => ensurePki(undefined).servingCert('metrics-server', { subject: { commonName: 'metrics-server' }, altNames: { dnsNames: [serviceDnsName] } });
    const given = config.tlsCertFile ? { cert: pem(config.tlsCertFile), key: pem(config.tlsPrivateKeyFile) } : own();
    const { ca, cert, key } = tlsMaterial(config) ?? {};
    const client = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), insecureSkipTlsVerify: config.kubeletInsecureTls };
    const serverName = config.kubeletServerName ? { serverName: config.kubeletServerName } : {};
    return createMetricsServer(
      env,
      {
        api: connectApi(env, config, 'metrics-server'),
        serveHttp,
        connectKubelet: ({ host, port }) => createHttpClient({ server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`, ...client, ...serverName, maxSockets: 8 }),
        tls: { ...given, ca: config.tlsCertFile ? pem(config.tlsCaFile) : '' },
      },
      config,
    );
  },
});
