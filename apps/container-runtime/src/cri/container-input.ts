import { parseSignal } from '../process/signals.ts';
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
