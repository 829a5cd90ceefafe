import type { VolumeHost } from '@orrery/cri';

/** What a check of a hostPath's type complains about. */
const wanted: Readonly<Record<string, string>> = { Directory: 'directory', DirectoryOrCreate: 'directory', File: 'file', FileOrCreate: 'file', Socket: 'socket file', CharDevice: 'character device', BlockDevice: 'block device' };

/** Makes what a hostPath volume may make, and checks that it is of its type. Emulated nodes have neither sockets nor devices. */
export async function prepareHostPath(host: VolumeHost, { path, type = '' }: { path: string; type?: string }): Promise<void> {
  const found = await host.kind(path);
  if (!found && (type === '' || type === 'DirectoryOrCreate')) return host.makeDir(path, 0o755);
  if (!found && type === 'FileOrCreate') return host.writeFile(path, { bytes: new Uint8Array(0), mode: 0o644 });
  if (type !== '' && wanted[type] !== found) throw new Error(`hostPath type check failed: ${path} is not a ${wanted[type] ?? type}`);
}
