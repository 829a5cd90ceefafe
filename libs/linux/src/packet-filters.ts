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

/** `ipvsadm`, `ipset` and addresses of the dummy device, as the ipvs back end needs them. */
export interface Ipvs {
  /** The text of `ipvsadm --restore`. */
  restore(text: string): Promise<void>;
  /** `ipvsadm -L -n`: endpoints with their weights and connections. */
  list(): Promise<string>;
}

export function createIpvs(shell: Shell): Ipvs {
  return {
    async restore(text) {
      await shell.run('ipvsadm', ['--restore'], text);
    },
    list: () => shell.run('ipvsadm', ['-L', '-n']),
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

/** `ip -batch`: one command of `ip` a line. */
export interface Ip {
  batch(lines: readonly string[]): Promise<void>;
}

export function createIp(shell: Shell): Ip {
  return {
    async batch(lines) {
      if (lines.length) await shell.run('ip', ['-batch', '-'], `${lines.join('\n')}\n`);
    },
  };
}
