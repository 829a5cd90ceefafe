import { type ContainerUser, NamespaceMode } from '@orrery/proto/cri';
import type { Cred } from '../fs/vfs.ts';
import { type Namespaces, namespacesBy } from '../process/namespaces.ts';
import { parseSignal } from '../process/signals.ts';
import type { Container } from './container.ts';
import type { Sandbox } from './sandbox.ts';

/** CRI numbers signals by their order of names, not by the kernel's numbers. */
export function criSignal(value: number): number | undefined {
  const names = ['', 'ABRT', 'ALRM', 'BUS', 'CHLD', 'CHLD', 'CONT', 'FPE', 'HUP', 'ILL', 'INT', 'IO', 'ABRT', 'KILL', 'PIPE', 'IO', 'PROF', 'PWR', 'QUIT', 'SEGV', 'STKFLT', 'STOP', 'SYS', 'TERM', 'TRAP', 'TSTP', 'TTIN', 'TTOU', 'URG', 'USR1', 'USR2', 'VTALRM', 'WINCH', 'XCPU', 'XFSZ'];
  const name = names[value];
  return name ? parseSignal(name) : undefined;
}

/** What the runtime writes into each container of a pod. */
export function sandboxFiles(sandbox: Sandbox): { hosts: string; resolvConf: string } {
  const { dnsConfig } = sandbox.config;
  const own = sandbox.ips.map((ip) => `${ip}\t${sandbox.hostname}\n`).join('');
  const lines = [
    ...(dnsConfig?.searches?.length ? [`search ${dnsConfig.searches.join(' ')}`] : []),
    ...(dnsConfig?.servers ?? []).map((server) => `nameserver ${server}`),
    ...(dnsConfig?.options?.length ? [`options ${dnsConfig.options.join(' ')}`] : []),
  ];
  return { hosts: `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own}`, resolvConf: lines.length ? `${lines.join('\n')}\n` : '' };
}

/** Namespaces of a container: its own, its pod's, or the node's, as the pod says. */
export function containerNamespaces({ id, sandbox, userIds, hasNodePids, pids }: Pick<Container, 'id' | 'sandbox' | 'userIds' | 'hasNodePids' | 'pids'>): Namespaces {
  const ofPod = (isPods: boolean, kind: 'ipc' | 'net' | 'user' | 'uts') => (isPods ? { [kind]: sandbox.id } : {});
  const { ipc } = sandbox.config.linux?.securityContext?.namespaceOptions ?? {};
  return namespacesBy({
    mnt: id,
    cgroup: id,
    ...(hasNodePids ? {} : { pid: pids ? sandbox.id : id }),
    ...ofPod(ipc !== NamespaceMode.NODE, 'ipc'),
    ...ofPod(!sandbox.hostNetwork, 'net'),
    // As containerd: who has the node's network has its name.
    ...ofPod(!sandbox.hostNetwork, 'uts'),
    ...ofPod(userIds !== undefined, 'user'),
  });
}

/** Who its first process is, for its status. */
export function criUser({ uid, gid, groups }: Cred): ContainerUser {
  return { linux: { uid: BigInt(uid), gid: BigInt(gid), supplementalGroups: groups.map(BigInt) } };
}
