import type { ApiClient } from '@orrery/client';
import { createIngress, ingressSchema, statusEntries } from '@orrery/ingress/component';
import { type KeyPair, balancerNetwork, createReverseProxy, defaultCertificate, healthAddressSchema, listenAddress, managedNginx, nginxInstalled, verifyHtpasswd, withHealthServer } from '@orrery/node-io';
import { type Component, type ConfigOf, type Env, resolveConfig } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import { type ExtraConfig, extraSettings } from '../extra-config.ts';
import { ExitCode, UserError } from '../user-error.ts';
import { addressProblem, network } from './addresses.ts';

const schema = { ...ingressSchema, ...healthAddressSchema };

/**
 * Settings of a cluster's ingress by the flags given with `--extra-config`, and what it shows to hosts without a certificate of their own. Throws a UserError (usage) that says which flag or file
 * is wrong; of any layout, so that it is known before anything starts.
 */
export function ingressSettings(extra: ExtraConfig, nowMs: number): { readonly config: ConfigOf<typeof schema>; readonly fallbackCertificate: KeyPair } {
  try {
    const config = resolveConfig(schema, [extraSettings('ingress', extra)]);
    const ranges = { pods: extraSettings('controller-manager', extra)['clusterCidr'] ?? '10.244.0.0/16,10.128.0.0/10', Services: extraSettings('apiserver', extra)['serviceClusterIpRange'] ?? '10.96.0.0/16' } as { pods: string; Services: string };
    const problem = config.address === network.ingress ? undefined : addressProblem(config.address, ranges);
    if (problem) throw new Error(`--address ${JSON.stringify(config.address)} ${problem}`);
    statusEntries(config.publishStatusAddress || config.host);
    if (config.healthAddress) listenAddress('--health-address', config.healthAddress);
    return { config, fallbackCertificate: defaultCertificate(config, nowMs) };
  } catch (error) {
    throw new UserError(`--extra-config ingress: ${(error as Error).message}`, ExitCode.usage);
  }
}

/** The ingress controller of a cluster in one process; `attach` gives it a place in the emulated network. */
export function singleIngress(env: Env, { api, attach, extra }: { readonly api: ApiClient; readonly attach: (ip: string) => NetStack; readonly extra: ExtraConfig }): Component & { endpoints(): { http: string; https: string } } {
  const { config, fallbackCertificate } = ingressSettings(extra, env.clock.now());
  if (config.dataPlane === 'nginx' && !nginxInstalled()) throw new UserError('--extra-config ingress.data-plane=nginx needs the program nginx, which is not installed');
  const { host, httpPort, httpsPort } = config;
  const stack = attach(config.address);
  const edge = { host, httpPort, httpsPort, anyPortIfTaken: true, fallbackCertificate, dial: stack.dial.bind(stack) };
  const nginx = config.dataPlane === 'nginx' ? { nginx: managedNginx({ ...edge, log: (line) => env.log.info(line, { program: 'nginx' }) }) } : {};
  const ingress = createIngress(env, { api, proxy: createReverseProxy(edge), verify: verifyHtpasswd, fallbackCertificate: fallbackCertificate.cert, streams: balancerNetwork(stack), ...nginx }, config);
  return { ...withHealthServer(ingress, { env, address: config.healthAddress }), endpoints: () => ingress.endpoints() };
}
