import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { criChannel, criClients } from '@orrery/cri';
import { eventually } from '@orrery/testkit';

const programs = ['containerd', 'containerd-shim-runc-v2', 'runc', 'ctr', 'nsenter', 'ip', 'tar'] as const;
const found = (program: string): string => spawnSync('sh', ['-c', `PATH="$PATH:/usr/sbin:/sbin"; command -v ${program}`], { encoding: 'utf8' }).stdout.trim();

/** Why containerd cannot run here; empty when it can. */
export function noContainerd(): string {
  if (process.platform !== 'linux') return 'containers need Linux';
  if (process.getuid?.() !== 0) return 'containerd needs root';
  const missing = programs.filter((program) => !found(program));
  if (missing.length) return `not installed: ${missing.join(', ')}`;
  const namespaces = spawnSync('unshare', ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', 'true']);
  return namespaces.status === 0 ? '' : 'the kernel lets no namespaces be made';
}

/** The image of the tests: a shell and a few tools of this machine, with their libraries. */
export const testImage = 'orrery.local/tools:1';
const pauseImage = 'orrery.local/pause:1';
const tools = ['dash', 'sleep', 'cat', 'ls', 'id', 'hostname', 'env', 'mkdir'];

function sh(command: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}${stdout}`);
  return stdout;
}

function buildRoot(root: string): void {
  for (const dir of ['bin', 'tmp', 'etc', 'proc', 'sys', 'dev', 'run']) mkdirSync(join(root, dir), { recursive: true });
  for (const tool of tools) {
    const program = found(tool);
    copyFileSync(program, join(root, 'bin', tool));
    for (const library of spawnSync('ldd', [program], { encoding: 'utf8' }).stdout.match(/\/[^ )]+/g) ?? []) {
      const to = join(root, library);
      if (existsSync(to)) continue;
      mkdirSync(dirname(to), { recursive: true });
      copyFileSync(library, to);
    }
  }
  symlinkSync('dash', join(root, 'bin/sh'));
}

/** Writes an archive as `docker save` does: one layer, the given entry point. */
function saveImage(dir: string, { name, layer, entrypoint }: { name: string; layer: string; entrypoint: readonly string[] }): string {
  const sha = createHash('sha256').update(readFileSync(layer)).digest('hex');
  const config = JSON.stringify({ architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Entrypoint: entrypoint }, rootfs: { type: 'layers', diff_ids: [`sha256:${sha}`] }, history: [{ created_by: 'test' }] });
  const id = createHash('sha256').update(config).digest('hex');
  const archive = join(dir, `${id}.archive.tar`);
  writeFileSync(join(dir, `${id}.json`), config);
  writeFileSync(join(dir, 'manifest.json'), JSON.stringify([{ Config: `${id}.json`, RepoTags: [name], Layers: ['layer.tar'] }]));
  sh('tar', ['-C', dir, '-cf', archive, 'manifest.json', `${id}.json`, 'layer.tar']);
  return archive;
}

/** A network plugin that gives each pod an address on a device within its own namespace; nothing of the machine's network changes. */
const networkPlugin = `#!/bin/sh
set -e
ns() { nsenter --net="$CNI_NETNS" "$@"; }
case "$CNI_COMMAND" in
ADD)
  ns ip link set lo up
  [ "$CNI_IFNAME" = lo ] && { echo '{"cniVersion":"0.4.0","interfaces":[{"name":"lo"}]}'; exit 0; }
  count="$(dirname "$0")/count"
  n=$(( $(cat "$count" 2>/dev/null || echo 1) + 1 ))
  echo $n > "$count"
  address=10.88.$(( n / 250 )).$(( n % 250 + 2 ))
  ns ip link add "$CNI_IFNAME" type veth peer name peer0
  ns ip addr add $address/16 dev "$CNI_IFNAME"
  ns ip link set "$CNI_IFNAME" up
  ns ip link set peer0 up
  echo "{\\"cniVersion\\":\\"0.4.0\\",\\"interfaces\\":[{\\"name\\":\\"$CNI_IFNAME\\",\\"sandbox\\":\\"$CNI_NETNS\\"}],\\"ips\\":[{\\"version\\":\\"4\\",\\"interface\\":0,\\"address\\":\\"$address/16\\"}]}" ;;
VERSION) echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}' ;;
esac
`;

function configuration(home: string): string {
  return `version = 2
root = "${home}/root"
state = "${home}/state"
[grpc]
  address = "${home}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${home}/cni-bin"
    conf_dir = "${home}/cni"
`;
}

export interface ContainerdMachine {
  /** `unix:///…` */
  readonly endpoint: string;
  /** A directory for what tests write; removed with all else. */
  readonly home: string;
  logs(): string;
  stop(): Promise<void>;
}

function prepare(home: string): readonly string[] {
  for (const dir of ['cni-bin', 'cni', 'image/root']) mkdirSync(join(home, dir), { recursive: true });
  for (const name of ['orrery-test', 'loopback']) {
    writeFileSync(join(home, 'cni-bin', name), networkPlugin);
    chmodSync(join(home, 'cni-bin', name), 0o755);
  }
  writeFileSync(join(home, 'cni/10-test.conflist'), JSON.stringify({ cniVersion: '0.4.0', name: 'test', plugins: [{ type: 'orrery-test' }] }));
  writeFileSync(join(home, 'config.toml'), configuration(home));
  const image = join(home, 'image');
  buildRoot(join(image, 'root'));
  sh('tar', ['-C', join(image, 'root'), '-cf', join(image, 'layer.tar'), '.']);
  const layer = join(image, 'layer.tar');
  return [saveImage(image, { name: pauseImage, layer, entrypoint: ['/bin/sleep', 'infinity'] }), saveImage(image, { name: testImage, layer, entrypoint: ['/bin/sh'] })];
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await ended;
}

/** Ends and removes every pod, so that no process and no mount stays behind. */
async function removePods(endpoint: string): Promise<void> {
  const channel = criChannel(endpoint);
  const { runtime } = criClients(channel);
  for (const { id: podSandboxId = '' } of (await runtime.listPodSandbox({})).items ?? []) {
    await runtime.stopPodSandbox({ podSandboxId });
    await runtime.removePodSandbox({ podSandboxId });
  }
  await channel.close();
}

/** A containerd of the test's own, with its own state, and two images built from this machine's files. */
export async function startContainerd(): Promise<ContainerdMachine> {
  const home = mkdtempSync(join(tmpdir(), 'orrery-containerd-'));
  const archives = prepare(home);
  const socket = join(home, 'containerd.sock');
  const endpoint = `unix://${socket}`;
  let log = '';
  const child = spawn(found('containerd'), ['--config', join(home, 'config.toml')], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` } });
  child.stderr?.on('data', (bytes: Buffer) => (log = `${log}${bytes.toString()}`.slice(-20_000)));
  const machine: ContainerdMachine = {
    endpoint,
    home,
    logs: () => log,
    async stop() {
      await removePods(endpoint).catch((error: unknown) => process.stderr.write(`pods stay in containerd: ${String(error)}\n`));
      await end(child);
      rmSync(home, { recursive: true, force: true });
    },
  };
  try {
    await eventually(async () => sh('ctr', ['-a', socket, 'version']), { what: 'containerd answers', withinMs: 60_000 });
    for (const archive of archives) sh('ctr', ['-a', socket, '-n', 'k8s.io', 'images', 'import', '--snapshotter', 'native', archive]);
    return machine;
  } catch (error) {
    await machine.stop();
    throw new Error(`${(error as Error).message}\n${log}`, { cause: error });
  }
}
