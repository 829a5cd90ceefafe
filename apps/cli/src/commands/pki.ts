import { chownSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { clusterServerName, componentIdentity, ensurePki, natsServerConfig, replaceFile } from '@orrery/node-io';
import { ensureEncryptionConfig } from '../encryption-config.ts';
import { writeKubeconfig } from '../kubeconfig-file.ts';
import { ExitCode, UserError } from '../user-error.ts';

interface PkiOptions {
  readonly dir: string;
  readonly server: string;
  readonly names: string;
  readonly kubeconfig?: string;
  readonly owner?: string;
  readonly signingDir?: string;
  readonly natsListen?: string;
}

/** The kubeconfig is for whom its directory belongs to: in a container this program is root, and the directory a user's. */
function giveToOwnerOfFolder(path: string): void {
  const { uid, gid } = statSync(dirname(path));
  if (process.getuid?.() === 0 && uid !== 0) chownSync(path, uid, gid);
}

/** `NAME=USER[:GROUP+GROUP]`, e.g. `kubelet-node1=system:node:node1/system:nodes`. */
function parseComponent(text: string): { name: string; user: string; groups: string[] } {
  const match = /^([\w.-]+)=([^/]+)(?:\/(.+))?$/.exec(text);
  if (!match) throw new UserError(`a component is NAME=USER or NAME=USER/GROUP+GROUP, not ${JSON.stringify(text)}`, ExitCode.usage);
  return { name: match[1] ?? '', user: match[2] ?? '', groups: match[3]?.split('+') ?? [] };
}

function writeAll(components: readonly string[], options: PkiOptions): void {
  const names = options.names.split(',').filter((name) => name !== '');
  const dir = resolve(options.dir);
  const pki = ensurePki(join(dir, 'authority'), { dnsNames: [clusterServerName, ...names] });
  const out = join(dir, 'components');
  const [uid, gid = uid] = options.owner?.split(':').map(Number) ?? [];
  const owner = uid === undefined || gid === undefined ? {} : { owner: { uid, gid } };
  const write = (file: string, text: string, folder = out): void => {
    mkdirSync(folder, { recursive: true, mode: 0o755 });
    replaceFile(join(folder, file), text, owner);
  };
  write('ca.crt', pki.caCert);
  write('apiserver-serving.crt', pki.serverCert);
  write('apiserver-serving.key', pki.serverKey);
  write('service-account.key', pki.saKey);
  write('encryption.yaml', readFileSync(ensureEncryptionConfig({ root: join(dir, 'authority') }), 'utf8'));
  const { frontProxy } = pki;
  write('front-proxy-ca.crt', frontProxy.caCert);
  write('front-proxy-client.crt', frontProxy.cert);
  write('front-proxy-client.key', frontProxy.key);
  if (options.natsListen) write('nats.conf', natsServerConfig({ listen: options.natsListen, ca: join(out, 'ca.crt'), cert: join(out, 'nats.crt'), key: join(out, 'nats.key') }));
  if (options.signingDir) write('ca.key', pki.caKey, resolve(options.signingDir));
  for (const { name, user, groups } of components.map(parseComponent)) {
    const pair = pki.servingCert(`component-${name}`, componentIdentity({ user, groups, hostNames: names }));
    write(`${name}.crt`, pair.cert);
    write(`${name}.key`, pair.key);
  }
  if (!options.kubeconfig) return;
  const kubeconfig = resolve(options.kubeconfig);
  writeKubeconfig(kubeconfig, pki.kubeconfig({ server: options.server, cluster: 'orrery-compose', user: 'kubernetes-admin', groups: ['system:masters'] }));
  giveToOwnerOfFolder(kubeconfig);
}

export function addPki(program: Command): void {
  program
    .command('pki')
    .description('write the certificates of a cluster whose components run on their own (used by infra/compose.yaml)')
    .argument('<component...>', 'NAME=USER or NAME=USER/GROUP+GROUP, one certificate each')
    .requiredOption('--dir <dir>', 'where the authority is kept and components/ is written')
    .option('--server <url>', 'API server, for the kubeconfig', 'https://127.0.0.1:6443')
    .option('--names <list>', 'host names that serving certificates hold', '')
    .option('--kubeconfig <file>', 'write the administrator\'s kubeconfig here, for the owner of the directory')
    .option('--signing-dir <dir>', 'write the authority\'s key here, for the controller that signs certificate requests')
    .option('--nats-listen <address>', 'write components/nats.conf for a NATS server that listens here, with the certificate of the component nats')
    .option('--owner <uid:gid>', 'owner of the files of components')
    .action((components: string[], options: PkiOptions) => writeAll(components, options));
}
