import type { Family } from '../model/service-port.ts';
import type { Routing } from '../model/endpoints.ts';

export type LinuxMode = 'iptables' | 'nftables' | 'ipvs' | 'userspace';

/** Services of one node that changed, by `namespace/name`; without ports: the service is gone. */
export interface Changes {
  /** Everything there is: what else is programmed is stale. */
  readonly full: boolean;
  readonly services: ReadonlyMap<string, readonly Routing[]>;
}

/** Programs the kernel of one node. */
export interface BackEnd {
  readonly mode: LinuxMode;
  /** A full sync disturbs nothing, so it is done now and then to mend what others broke. */
  readonly repairs: boolean;
  /** Rejects when the kernel refuses; the next call must then be full. */
  sync(changes: Changes): Promise<void>;
  /** Removes all that it programmed. */
  cleanUp(): Promise<void>;
}

/** How traffic that comes from pods of the cluster is told from what comes from outside. */
export type LocalDetector = { readonly cidr: string } | { readonly interface: string } | { readonly interfacePrefix: string };

/** What all back ends of a node are made with. */
export interface NodeSettings {
  readonly families: readonly Family[];
  /** By family; absent: all that comes in counts as from outside, but nothing is masqueraded for that alone. */
  readonly local: Partial<Record<Family, LocalDetector>>;
  /** Addresses or ranges of the node on which node ports answer; empty: on all but loopback. */
  readonly nodePortAddresses: readonly string[];
  /** Mode iptables: node ports answer on 127.0.0.1, too, where they answer on all addresses. */
  readonly localhostNodePorts?: boolean;
  /** Packets of no connection that the kernel knows are sent on: virtual servers translate beside what it tracks. */
  readonly keepInvalid?: boolean;
  readonly masqueradeAll: boolean;
  /** Bit of the packet mark that asks for masquerading. */
  readonly masqueradeBit: number;
}

/** SHA-256 of a text. */
export type Hash = (text: string) => Uint8Array;

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** The start of the base32 text of a hash, as upstream names chains. */
export function hashText(bytes: Uint8Array, length: number): string {
  let out = '';
  for (let i = 0; i < length; i++) {
    const bit = i * 5;
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0);
    out += alphabet[(pair >> (11 - (bit & 7))) & 31];
  }
  return out;
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function hostPort({ ip, port }: { ip: string; port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
