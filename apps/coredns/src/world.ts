import type { ClusterView } from './zone/kubernetes.ts';

/** One server to ask elsewhere. */
export interface UpstreamAddress {
  /** An address, not a name. */
  readonly ip: string;
  readonly port: number;
}

export interface ExchangeOptions {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly timeoutMs: number;
  /** Of the server's certificate; TLS only. */
  readonly serverName?: string;
  /** PEM of who signs that certificate; without it the system's. */
  readonly ca?: string;
}

/** What Services, labels and Pods the `kubernetes` plugin sees; informers run as long as one view needs them. */
export interface ClusterSelection {
  /** Of Services and EndpointSlices. */
  readonly labels?: string;
  readonly namespaceLabels?: string;
  /** Pods are watched too. */
  readonly pods: boolean;
  readonly endpoints: boolean;
}

export interface ClusterFeed {
  readonly view: ClusterView;
  /** Unix seconds of the last change. */
  serial(): number;
  start(): void;
  /** Resolves when the first lists are there. */
  whenSynced(): Promise<void>;
  synced(): boolean;
  stop(): void;
}

/** Everything around the server: its ways out and what it reads. All adapters. */
export interface DnsWorld {
  cluster(selection: ClusterSelection): ClusterFeed;
  /** Sends a whole message and resolves to the reply's bytes; rejects when none comes in time. */
  exchange(to: UpstreamAddress, message: Uint8Array, options: ExchangeOptions): Promise<Uint8Array>;
  /** Text of a file; undefined when there is none. */
  readFile(path: string): string | undefined;
  /** Paths a pattern matches, in order. */
  glob(pattern: string): readonly string[];
  environment(name: string): string | undefined;
  /** Addresses this server answers at. */
  localIps(): readonly string[];
}

/** This machine, from the adapters; see `hostDns` of node-io. */
export interface HostDns {
  /** Whether it is wanted to listen at all. */
  readonly listens: boolean;
  /** Listens for DNS, UDP and TCP; at a port other than that of `--listen` when one is given. */
  listen(answerer: HostAnswerer, port?: number): Promise<{ readonly address: string; close(): Promise<void> }>;
  exchange(to: UpstreamAddress, message: Uint8Array, options: ExchangeOptions): Promise<Uint8Array>;
  readFile(path: string): string | undefined;
  glob(pattern: string): readonly string[];
  environment(name: string): string | undefined;
}

export interface HostAnswerer {
  answer(message: Uint8Array, from: { readonly transport: 'udp' | 'tcp'; readonly client: { readonly ip: string; readonly port: number } }): Promise<Uint8Array | undefined>;
}
