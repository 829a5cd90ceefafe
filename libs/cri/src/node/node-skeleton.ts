import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const directories: readonly string[] = ['dev', 'etc', 'home', 'mnt', 'opt', 'proc', 'root', 'run', 'srv', 'sys', 'usr/local', 'var/lib', 'var/log/containers', 'var/log/pods'];

/** Whether a directory is one of those that every emulated node has, and nothing is in it from the start. */
export function startsEmpty(path: string): boolean {
  return path !== '/etc' && directories.some((one) => path === `/${one}`) && !directories.some((one) => `/${one}`.startsWith(`${path}/`));
}

/** What an emulated node has below its `/` from the start, for hostPath volumes that expect it of every machine. What is there stays. */
export function makeNodeSkeleton(root: string, { hostname, ip }: { hostname: string; ip: string }): void {
  for (const path of directories) mkdirSync(join(root, path), { recursive: true });
  for (const path of ['tmp', 'var/tmp']) {
    if (existsSync(join(root, path))) continue;
    mkdirSync(join(root, path), { recursive: true });
    chmodSync(join(root, path), 0o1777);
  }
  const files: Readonly<Record<string, string>> = {
    'etc/hostname': `${hostname}\n`,
    'etc/hosts': `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${ip}\t${hostname}\n`,
    'etc/os-release': 'NAME="Orrery"\nID=orrery\nPRETTY_NAME="Orrery"\n',
    'etc/resolv.conf': '',
  };
  for (const [path, text] of Object.entries(files)) if (!existsSync(join(root, path))) writeFileSync(join(root, path), text);
}
