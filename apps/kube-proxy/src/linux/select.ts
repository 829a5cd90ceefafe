import { type Shell, createIptables, createIpset, createIp, createIpvs, createNft, createSysctl, openForwarder, sha256, whyNot } from '@orrery/linux';
import type { Logger } from '@orrery/runtime';
import type { LinuxSettings } from '../configuration/settings.ts';
import { createIptablesBackEnd } from '../iptables/back-end.ts';
import { createIpvsBackEnd } from '../ipvs/back-end.ts';
import type { ProxyNode } from '../model/endpoints.ts';
import { type Family, familyOf } from '../model/service-port.ts';
import { createNftablesBackEnd } from '../nftables/back-end.ts';
import { createUserspaceBackEnd } from '../userspace/back-end.ts';
import type { BackEnd, LinuxMode } from './back-end.ts';

/** Why a mode does not work on this machine; undefined when it does. */
export async function whyNotMode(shell: Shell, mode: LinuxMode, ipvsScheduler: string): Promise<string | undefined> {
  if (mode === 'nftables') return whyNot(shell, 'nft', ['list', 'tables']);
  const iptables = await whyNot(shell, 'iptables-save', ['-t', 'nat']);
  if (mode !== 'ipvs' || iptables) return iptables;
  const tool = (await whyNot(shell, 'ipset', ['version'])) ?? (await whyNot(shell, 'ipvsadm', ['--list', '-n']));
  // A virtual server of the scheduler shows whether the kernel has it; the address is of a documentation range, and it is removed again.
  return tool ?? (await whyNot(shell, 'sh', ['-c', `ipvsadm -A -t 192.0.2.255:1 -s ${ipvsScheduler} && ipvsadm -D -t 192.0.2.255:1`]));
}

const fallBacks: Readonly<Partial<Record<LinuxMode, readonly LinuxMode[]>>> = { ipvs: ['iptables', 'nftables'], iptables: ['nftables'], nftables: [], userspace: [] };

/** The mode that is wanted, or the next best that this machine has. Rejects when it has none. */
export async function workingMode(shell: Shell, { wanted, ipvsScheduler, log }: { wanted: LinuxMode; ipvsScheduler: string; log: Pick<Logger, 'warn'> }): Promise<LinuxMode> {
  const reasons: string[] = [];
  for (const mode of [wanted, ...(fallBacks[wanted] ?? [])]) {
    const why = await whyNotMode(shell, mode, ipvsScheduler);
    if (why === undefined) {
      if (mode !== wanted) log.warn(`the proxy mode ${wanted} cannot be used, falling back to ${mode}`, { reason: reasons[0] });
      return mode;
    }
    reasons.push(`${mode}: ${why}`);
  }
  throw new Error(`no proxy mode can be used: ${reasons.join('; ')}`);
}

/** All families whose tables this machine has. */
export async function workingFamilies(shell: Shell): Promise<Family[]> {
  const six = await whyNot(shell, 'sh', ['-c', 'test -e /proc/net/if_inet6']);
  return six === undefined ? [4, 6] : [4];
}

export interface BackEndOptions {
  readonly shell: Shell;
  readonly node: ProxyNode;
  readonly nodeIps: readonly string[];
  readonly settings: LinuxSettings;
}

export function createBackEnd(mode: LinuxMode, { shell, node, nodeIps, settings }: BackEndOptions): BackEnd {
  const iptables = { 4: createIptables(shell, 4), 6: createIptables(shell, 6) };
  const base = { hash: sha256, node, settings: { ...settings, localhostNodePorts: settings.localhostNodePorts === true && mode === 'iptables' } };
  switch (mode) {
    case 'nftables': return createNftablesBackEnd({ ...base, nft: createNft(shell) });
    case 'iptables': return createIptablesBackEnd({ ...base, iptables, sysctl: createSysctl(shell) });
    case 'userspace': return createUserspaceBackEnd({ ...base, iptables, open: openForwarder, nodeIps: Object.fromEntries(nodeIps.map((ip) => [familyOf(ip), ip])) });
    case 'ipvs': return createIpvsBackEnd({ ...base, iptables, nodeIps, scheduler: settings.ipvsScheduler, own: settings.ipvs, sysctl: createSysctl(shell), ipvs: createIpvs(shell), ipset: createIpset(shell), ip: createIp(shell) });
  }
}
