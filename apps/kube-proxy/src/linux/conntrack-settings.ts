import type { Shell, Sysctl } from '@orrery/linux';
import { type Logger, parseGoDuration } from '@orrery/runtime';
import type { KubeProxyConfig } from '../config.ts';

type ConntrackConfig = Pick<KubeProxyConfig, 'conntrackMaxPerCore' | 'conntrackMin' | 'conntrackTcpTimeoutEstablished' | 'conntrackTcpTimeoutCloseWait' | 'conntrackTcpBeLiberal' | 'conntrackUdpTimeout' | 'conntrackUdpTimeoutStream'>;

/** What of the kernel's connection tracking somebody asked for; 0, '' and false leave it as it is. */
export interface ConntrackSettings {
  readonly maxPerCore: number;
  readonly min: number;
  /** Values below `net/netfilter`, by name. */
  readonly values: Readonly<Record<string, string>>;
}

const timeouts = { conntrackTcpTimeoutEstablished: 'nf_conntrack_tcp_timeout_established', conntrackTcpTimeoutCloseWait: 'nf_conntrack_tcp_timeout_close_wait', conntrackUdpTimeout: 'nf_conntrack_udp_timeout', conntrackUdpTimeoutStream: 'nf_conntrack_udp_timeout_stream' } as const;

export function conntrackSettings(config: ConntrackConfig): ConntrackSettings {
  const values: Record<string, string> = {};
  for (const [flag, name] of Object.entries(timeouts) as [keyof typeof timeouts, string][]) {
    const seconds = Math.floor(parseGoDuration(config[flag] || '0s') / 1000);
    if (seconds > 0) values[name] = String(seconds);
  }
  if (config.conntrackTcpBeLiberal) values['nf_conntrack_tcp_be_liberal'] = '1';
  return { maxPerCore: config.conntrackMaxPerCore, min: config.conntrackMin, values };
}

/** How many connections the kernel is to remember: so many a core, at least so many; 0 leaves it. */
export function conntrackMax({ maxPerCore, min }: Pick<ConntrackSettings, 'maxPerCore' | 'min'>, cores: number): number {
  return maxPerCore > 0 ? Math.max(maxPerCore * cores, min) : 0;
}

/** Each setting by itself: a machine may allow one and not the other (in a container the maximum is the host's), which is said and no error. */
export async function applyConntrackSettings(settings: ConntrackSettings, { shell, sysctl, log }: { shell: Shell; sysctl: Sysctl; log: Pick<Logger, 'warn'> }): Promise<void> {
  const max = settings.maxPerCore > 0 ? conntrackMax(settings, Number(await shell.run('nproc', []))) : 0;
  const wanted = { ...(max ? { nf_conntrack_max: String(max) } : {}), ...settings.values };
  for (const [name, value] of Object.entries(wanted)) {
    try {
      await sysctl.set({ [`net/netfilter/${name}`]: value });
    } catch (error) {
      log.warn('a setting of connection tracking cannot be changed here', { setting: name, value, error });
    }
  }
}
