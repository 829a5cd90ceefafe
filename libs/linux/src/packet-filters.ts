import type { Shell } from './command.ts';

/** `nft`: one text is one transaction. */
export interface Nft {
  /** Rejects with CommandError; then nothing has changed. */
  apply(text: string): Promise<void>;
  list(): Promise<string>;
}

export function createNft(shell: Shell): Nft {
  return {
    async apply(text) {
      await shell.run('nft', ['-f', '-'], text);
    },
    list: () => shell.run('nft', ['list', 'ruleset']),
  };
}

/** `iptables` of one family. */
export interface Iptables {
  /** Rules and chains that are named change, others stay. Rejects with CommandError; a table is changed wholly or not at all. */
  restore(text: string): Promise<void>;
  save(table: string): Promise<string>;
}

const lockSeconds = '5';

export function createIptables(shell: Shell, family: 4 | 6): Iptables {
  const prefix = family === 6 ? 'ip6tables' : 'iptables';
  return {
    async restore(text) {
      await shell.run(`${prefix}-restore`, ['-w', lockSeconds, '--noflush', '--counters'], text);
    },
    save: (table) => shell.run(`${prefix}-save`, ['-t', table]),
  };
}

/** `ipvsadm`: virtual servers and their endpoints. */
export interface Ipvs {
  /** The text of `ipvsadm --restore`. Rejects with CommandError at the first line that is refused; those before it stand. */
  restore(text: string): Promise<void>;
  /** `ipvsadm -S -n`: what `restore` would take to make all servers again. */
  save(): Promise<string>;
  /** `ipvsadm -L -n`: endpoints with their weights and connections. */
  list(): Promise<string>;
  /** Seconds that idle connections are remembered; 0 leaves what is. */
  setTimeouts(seconds: { readonly tcp: number; readonly tcpFin: number; readonly udp: number }): Promise<void>;
}

export function createIpvs(shell: Shell): Ipvs {
  return {
    async restore(text) {
      await shell.run('ipvsadm', ['--restore'], text);
    },
    save: () => shell.run('ipvsadm', ['-S', '-n']),
    list: () => shell.run('ipvsadm', ['-L', '-n']),
    async setTimeouts({ tcp, tcpFin, udp }) {
      await shell.run('ipvsadm', ['--set', String(tcp), String(tcpFin), String(udp)]);
    },
  };
}

/** Settings of the kernel under `/proc/sys`, such as `net/ipv4/ip_forward`. */
export interface Sysctl {
  /** Rejects with CommandError when one is not there or may not be set. */
  set(values: Readonly<Record<string, string>>): Promise<void>;
}

export function createSysctl(shell: Shell): Sysctl {
  return {
    async set(values) {
      const lines = Object.entries(values).map(([path, value]) => `${path} ${value}\n`);
      await shell.run('sh', ['-ec', 'while read -r path value; do echo "$value" > "/proc/sys/$path"; done'], lines.join(''));
    },
  };
}

export interface Ipset {
  restore(text: string): Promise<void>;
}

export function createIpset(shell: Shell): Ipset {
  return {
    async restore(text) {
      await shell.run('ipset', ['restore', '-exist'], text);
    },
  };
}

/** Entries of the connection tracking table, of one protocol. */
export interface Conntrack {
  list(options: { family: 4 | 6; protocol: string }): Promise<string>;
  /** Deletes the flows that match; none is no error. */
  remove(args: readonly string[]): Promise<void>;
}

export function createConntrack(shell: Shell): Conntrack {
  return {
    list: ({ family, protocol }) => shell.run('conntrack', ['-L', '-f', family === 6 ? 'ipv6' : 'ipv4', '-p', protocol]),
    async remove(args) {
      await shell.run('conntrack', ['-D', ...args]).catch((error: Error) => {
        if (!error.message.includes('0 flow entries have been deleted')) throw error;
      });
    },
  };
}

/** `ip`. */
export interface Ip {
  /** One command a line, as of `ip -batch`. */
  batch(lines: readonly string[]): Promise<void>;
  /** Addresses of a device, without the widths of their ranges; those of the link alone are left out. */
  addresses(device: string): Promise<string[]>;
}

export function createIp(shell: Shell): Ip {
  return {
    async batch(lines) {
      if (lines.length) await shell.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    },
    async addresses(device) {
      const text = await shell.run('ip', ['-oneline', 'addr', 'show', 'dev', device, 'scope', 'global']);
      return [...text.matchAll(/ inet6? ([^/ ]+)/g)].map((match) => match[1] ?? '');
    },
  };
}
