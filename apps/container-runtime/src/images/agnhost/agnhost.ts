import type { Proc, Program } from '../../process/proc.ts';
import type { ImageDefinition } from '../define-image.ts';
import { dig } from '../../busybox/dig.ts';
import { group, passwd } from '../busybox.ts';
import { curl } from '../curl.ts';
import { localhostCertificate, localhostKey } from './certificate.ts';
import { coredns } from './coredns.ts';
import { conversionWebhook } from './conversion-webhook.ts';
import { grpcHealthChecking } from './grpc-health.ts';
import { guestbook } from './guestbook.ts';
import { inClusterClient, issuerDiscovery } from './issuer-discovery.ts';
import { netexec } from './netexec.ts';
import { nettest } from './nettest.ts';
import { portForwardTester } from './port-forward-tester.ts';
import { auditProxy, fakeGitServer, netRunner, noSnatTest, stress, tcpReset } from './rarely.ts';
import { resourceConsumerController } from '../resource-consumer.ts';
import { type Command, flags } from './flags.ts';
import { connect, dnsServerList, dnsSuffix, entrypointTester, etcHosts, liveness, logsGenerator, pauseCommand, porter, serveHostname, testWebserver } from './small.ts';
import { mounttest } from './mounttest.ts';
import { webhook } from './webhook.ts';

const commands: Readonly<Record<string, Command>> = {
  netexec,
  'serve-hostname': serveHostname,
  pause: pauseCommand,
  porter,
  'logs-generator': logsGenerator,
  'entrypoint-tester': entrypointTester,
  mounttest,
  liveness,
  'test-webserver': testWebserver,
  connect,
  'dns-suffix': dnsSuffix,
  'dns-server-list': dnsServerList,
  'etc-hosts': etcHosts,
  'audit-proxy': auditProxy,
  'crd-conversion-webhook': conversionWebhook,
  'fake-gitserver': fakeGitServer,
  'grpc-health-checking': grpcHealthChecking,
  guestbook,
  inclusterclient: inClusterClient,
  net: netRunner,
  nettest,
  'no-snat-test': noSnatTest,
  nonewprivs: async (proc) => (await proc.out(`Effective uid: ${proc.cred.uid}\n`), 0),
  'port-forward-tester': portForwardTester,
  'resource-consumer-controller': resourceConsumerController,
  stress,
  'tcp-reset': tcpReset,
  'test-service-account-issuer-discovery': issuerDiscovery,
  webhook,
};

const version = '2.57';

/** The test image of Kubernetes' own end-to-end suite: one binary, many sub-commands. */
const agnhostProgram: Program = async (proc: Proc) => {
  const [name = 'help', ...args] = proc.argv.slice(1);
  const command = commands[name];
  if (command) return command(proc, flags(args));
  if (name === '--version' || name === 'version') {
    await proc.out(`agnhost version ${version}\n`);
    return 0;
  }
  if (name === 'help' || name === '--help') {
    await proc.out(`Usage:\n  app [command]\n\nAvailable Commands:\n${Object.keys(commands).sort().map((n) => `  ${n}\n`).join('')}`);
    return 0;
  }
  await proc.err(`Error: unknown command "${name}" for "app"\nRun 'app --help' for usage.\n`);
  return 1;
};

const shared: Omit<ImageDefinition, 'names'> = {
  programs: { '/agnhost': agnhostProgram, '/coredns': coredns, '/usr/bin/curl': curl, '/usr/bin/dig': dig },
  files: {
    '/agnhost-2': { link: '/agnhost' },
    '/bin/bash': { link: '/bin/busybox' },
    // Tests of supplementary groups know this user and his groups.
    '/etc/passwd': `${passwd}user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n`,
    '/etc/group': `${group}user-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n`,
    '/localhost.crt': localhostCertificate,
    '/localhost.key': localhostKey,
    '/uploads': { directory: true },
  },
  sizeBytes: 53_000_000,
  memoryBytes: 8 * 1024 * 1024,
};

export const agnhost: ImageDefinition = {
  ...shared,
  names: ['registry.k8s.io/e2e-test-images/agnhost', 'k8s.gcr.io/e2e-test-images/agnhost', 'gcr.io/kubernetes-e2e-test-images/agnhost'],
  entrypoint: ['/agnhost'],
  cmd: ['pause'],
};

/** Older images that agnhost replaced, and the one that is behind a login. */
export const agnhostAliases: readonly ImageDefinition[] = [
  { ...agnhost, names: ['gcr.io/k8s-authenticated-test/agnhost'], needsLogin: true },
  { ...shared, names: ['registry.k8s.io/e2e-test-images/netexec', 'gcr.io/kubernetes-e2e-test-images/netexec'], entrypoint: ['/agnhost', 'netexec'] },
  { ...shared, names: ['registry.k8s.io/serve_hostname', 'k8s.gcr.io/serve_hostname', 'registry.k8s.io/e2e-test-images/serve-hostname'], entrypoint: ['/agnhost', 'serve-hostname'] },
  { ...shared, names: ['registry.k8s.io/liveness', 'k8s.gcr.io/liveness', 'registry.k8s.io/e2e-test-images/liveness'], entrypoint: ['/agnhost', 'liveness'] },
];
