// Generates gen/ from the .proto files with buf and ts-proto, one entry module a seam (etcd, cri, api, vnet, cloud …).
// `outputServices=generic-definitions` gives plain descriptions of services; libs/rpc turns them into clients and servers.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bin = join(here, '..', 'node_modules', '.bin');
const gen = join(here, 'gen');

const shared = [
  'env=node', 'esModuleInterop=true', 'importSuffix=.ts', 'outputServices=generic-definitions',
  'enumsAsLiterals=true', 'oneof=unions-value', 'useJsTypeOverride=true', 'outputJsonMethods=false',
  'outputPartialMethods=false', 'useOptionals=all', 'outputClientImpl=false', 'removeEnumPrefix=false', 'unrecognizedEnum=false', 'exportCommonSymbols=false',
];
/** forceLong: CRI timestamps are nanoseconds and need all 64 bits; revisions and sizes elsewhere fit a number. */
const seams = {
  etcd: { path: 'etcd', long: 'number' },
  cri: { path: 'cri', long: 'bigint' },
  api: { path: 'orrery/api', long: 'number' },
  vnet: { path: 'orrery/vnet', long: 'number' },
  cloud: { path: 'orrery/cloud', long: 'number' },
  raft: { path: 'orrery/raft', long: 'number' },
  kms: { path: 'kms', long: 'number' },
  csi: { path: 'node/csi', long: 'number' },
  deviceplugin: { path: 'node/deviceplugin', long: 'number' },
  registration: { path: 'node/registration', long: 'number' },
  dra: { path: 'node/dra', long: 'number' },
  drahealth: { path: 'node/drahealth', long: 'number' },
};

function generate(name, { path, long }) {
  const options = [...shared, `forceLong=${long}`];
  const template = {
    version: 'v2',
    plugins: [{ local: join(bin, 'protoc-gen-ts_proto'), out: `gen/${name}`, opt: options, strategy: 'all' }],
  };
  const args = ['generate', '--template', JSON.stringify(template), '--path', path];
  execFileSync(join(bin, 'buf'), args, { cwd: here, stdio: 'inherit' });
  const files = readdirSync(join(gen, name), { recursive: true }).filter((f) => String(f).endsWith('.ts'));
  const lines = files.map((f) => `export * from './${name}/${String(f).replaceAll('\\', '/')}';\n`);
  writeFileSync(join(gen, `${name}.ts`), lines.join(''));
}

rmSync(gen, { recursive: true, force: true });
mkdirSync(gen, { recursive: true });
for (const [name, seam] of Object.entries(seams)) if (existsSync(join(here, seam.path))) generate(name, seam);
