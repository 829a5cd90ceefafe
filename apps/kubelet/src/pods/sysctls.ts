import type { Pod } from '@orrery/api/types';
import type { Rejection } from './admission.ts';
import { isHostNetwork } from './pod-spec.ts';

/** Sysctls that belong to a pod's own namespaces and harm nobody else; upstream's list for 1.36. */
const safe: readonly string[] = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
];

/** Sysctls of the IPC and the network namespace, by their beginnings. */
const ipc = /^(?:kernel\.shm|kernel\.msg|kernel\.sem$|fs\.mqueue\.)/;
const net = /^net\./;

/** Slashes and dots change places where a slash comes first. */
function normalized(name: string): string {
  const separator = /[./]/.exec(name)?.[0];
  return separator === '/' ? name.replace(/[./]/g, (c) => (c === '/' ? '.' : '/')) : name;
}

function isAllowed(name: string, unsafe: readonly string[]): boolean {
  return [...safe, ...unsafe.map(normalized)].some((pattern) => (pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern));
}

/** Refuses pods whose sysctls the node does not allow, or that would be the node's own. `unsafe`: further names, `net.core.*` for all of a kind. */
export function admitSysctls(pod: Pod, unsafe: readonly string[]): Rejection | undefined {
  const rejected = (problem: string): Rejection => ({ reason: 'SysctlForbidden', message: `Pod was rejected: forbidden sysctl: ${problem}` });
  for (const { name } of pod.spec?.securityContext?.sysctls ?? []) {
    const plain = normalized(name);
    if (!isAllowed(plain, unsafe)) return rejected(`${JSON.stringify(plain)} not allowlisted`);
    if (isHostNetwork(pod) && net.test(plain)) return rejected(`${JSON.stringify(plain)} not allowed with host net enabled`);
    if (pod.spec?.hostIPC && ipc.test(plain)) return rejected(`${JSON.stringify(plain)} not allowed with host ipc enabled`);
  }
  return undefined;
}
