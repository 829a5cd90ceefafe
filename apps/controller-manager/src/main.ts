import { readFileSync } from 'node:fs';
import { type Usage, apiConnectionSchema, connectApi, parseCsr, runMain, signCsr, withHealthServer } from '@orrery/node-io';
import type { CertificateSigner } from './certificates/signer.ts';
import { createControllerManager } from './component.ts';
import { controllerManagerSchema } from './config.ts';

function fileSigner(certFile: string, keyFile: string): CertificateSigner {
  const issuer = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  return {
    inspect(pem) {
      const { subject, altNames } = parseCsr(pem);
      return { ...subject, ...altNames };
    },
    sign: (pem, { usages, notBeforeMs, notAfterMs }) => signCsr(parseCsr(pem), { issuer, usages: usages as readonly Usage[], notBefore: notBeforeMs, notAfter: notAfterMs }),
  };
}

await runMain({
  name: 'controller-manager',
  summary: 'runs the controllers that keep a cluster as its objects say',
  schema: { ...controllerManagerSchema, ...apiConnectionSchema },
  create({ env, config }) {
    const { clusterSigningCertFile, clusterSigningKeyFile, rootCaFile } = config;
    const signer = clusterSigningCertFile ? fileSigner(clusterSigningCertFile, clusterSigningKeyFile) : undefined;
    const rootCaPem = rootCaFile ? readFileSync(rootCaFile, 'utf8') : undefined;
    const manager = createControllerManager(env, { api: connectApi(env, config), rootCaPem, signer }, config);
    return withHealthServer(manager, { env, address: config.healthAddress });
  },
});
