import type { Generated } from './generated-tree.ts';

/** What the kernel has in a fresh set of namespaces: the safe sysctls of Kubernetes, and what programs commonly look at. */
const defaults: Readonly<Record<string, string>> = {
  'fs.file-max': '9223372036854775807',
  'fs.mqueue.msg_max': '10',
  'fs.mqueue.queues_max': '256',
  'kernel.msgmax': '8192',
  'kernel.msgmnb': '16384',
  'kernel.ostype': 'Linux',
  'kernel.osrelease': '6.12.0-orrery',
  'kernel.pid_max': '4194304',
  'kernel.sem': '32000\t1024000000\t500\t32000',
  'kernel.shm_rmid_forced': '0',
  'kernel.shmall': '18446744073692774399',
  'kernel.shmmax': '18446744073692774399',
  'kernel.shmmni': '4096',
  'net.core.somaxconn': '4096',
  'net.ipv4.ip_forward': '1',
  'net.ipv4.ip_local_port_range': '32768\t60999',
  'net.ipv4.ip_local_reserved_ports': '',
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0\t2147483647',
  'net.ipv4.tcp_fin_timeout': '60',
  'net.ipv4.tcp_keepalive_intvl': '75',
  'net.ipv4.tcp_keepalive_probes': '9',
  'net.ipv4.tcp_keepalive_time': '7200',
  'net.ipv4.tcp_rmem': '4096\t131072\t6291456',
  'net.ipv4.tcp_syncookies': '1',
  'net.ipv4.tcp_wmem': '4096\t16384\t4194304',
  'vm.overcommit_memory': '0',
  'vm.swappiness': '60',
};

/** Dots separate parts, or slashes where one comes first; then a dot belongs to a part. */
function pathOf(name: string): string[] {
  const slashes = name.includes('/') && (!name.includes('.') || name.indexOf('/') < name.indexOf('.'));
  return slashes ? name.split('/') : name.split('.').map((part) => part.replaceAll('/', '.'));
}

/** /proc/sys with the values of a container's namespaces. */
export function sysctlTree(hostname: string, own: Readonly<Record<string, string>>): Generated {
  const root = new Map<string, Generated>();
  const put = (name: string, value: string): void => {
    const parts = pathOf(name);
    const leaf = parts.pop() ?? '';
    let at = root;
    for (const part of parts) {
      const found = at.get(part);
      if (found && 'entries' in found) at = found.entries() as Map<string, Generated>;
      else {
        const below = new Map<string, Generated>();
        at.set(part, { entries: () => below });
        at = below;
      }
    }
    at.set(leaf, { text: () => `${value}\n` });
  };
  for (const [name, value] of Object.entries({ ...defaults, 'kernel.hostname': hostname, ...own })) put(name, value);
  return { entries: () => root };
}
