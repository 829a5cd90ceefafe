import type { EndpointSlice, Namespace, Pod, Service } from '@orrery/api/types';
import { VirtualClock, createMetrics, seededRandom, silentLogger, type Env } from '@orrery/runtime';
import { normalizeIp } from '@orrery/vnet';
import * as dns from 'dns-packet';
import { parseCorefile } from '../corefile/parser.ts';
import { plugins } from '../plugins/index.ts';
import { createAnswerer } from '../server/answerer.ts';
import { type Instance, createInstance } from '../server/instance.ts';
import type { ClusterSelection, DnsWorld, ExchangeOptions, UpstreamAddress } from '../world.ts';
import { clusterIps } from '../zone/kubernetes.ts';

/** A cluster as plain lists. */
export interface Objects {
  readonly services?: readonly Service[];
  readonly slices?: readonly EndpointSlice[];
  readonly namespaces?: readonly Namespace[];
  readonly pods?: readonly Pod[];
}

export interface Surroundings extends Objects {
  readonly env?: Env;
  readonly files?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly localIps?: readonly string[];
  /** Another server; rejects when it does not answer. */
  upstream?(to: UpstreamAddress, question: dns.Question, how: ExchangeOptions): Partial<dns.Packet> | Promise<Partial<dns.Packet>>;
  fatal?(reason: string): void;
}

export function testEnv(): Env & { readonly clock: VirtualClock } {
  return { clock: new VirtualClock(), random: seededRandom(1), log: silentLogger, metrics: createMetrics() };
}

function worldOf(around: Surroundings): DnsWorld {
  const { services = [], slices = [], namespaces = [], pods = [], files = {}, variables = {} } = around;
  const serviceOf = (slice: EndpointSlice): string => `${slice.metadata?.namespace}/${slice.metadata?.labels?.['kubernetes.io/service-name']}`;
  return {
    cluster: (selection: ClusterSelection) => ({
      view: {
        namespaceExists: (name) => namespaces.some((one) => one.metadata?.name === name),
        service: (namespace, name) => services.find((s) => s.metadata?.namespace === namespace && s.metadata?.name === name),
        slices: (namespace, name) => (selection.endpoints ? slices.filter((slice) => serviceOf(slice) === `${namespace}/${name}`) : []),
        servicesByIp: (ip) => services.filter((s) => clusterIps(s).includes(ip)),
        slicesByIp: (ip) => slices.filter((slice) => (slice.endpoints ?? []).some((e) => e.addresses.some((a) => normalizeIp(a) === ip))),
        podsByIp: (ip) => pods.filter((pod) => selection.pods && pod.status?.podIPs?.some((own) => own.ip === ip)),
      },
      serial: () => 1_700_000_000,
      start: () => undefined,
      whenSynced: () => Promise.resolve(),
      synced: () => true,
      stop: () => undefined,
    }),
    async exchange(to, message, how) {
      const asked = dns.decode(Buffer.from(message));
      const [question] = asked.questions ?? [];
      if (!around.upstream || !question) throw new Error(`${to.ip} does not answer`);
      return dns.encode({ type: 'response', id: asked.id ?? 0, questions: [question], ...(await around.upstream(to, question, how)) });
    },
    readFile: (path) => files[path],
    glob: (pattern) => Object.keys(files).filter((path) => path === pattern),
    environment: (name) => variables[name],
    localIps: () => around.localIps ?? [],
  };
}

/** The server of a Corefile, not started. */
export function instanceOf(corefile: string, around: Surroundings = {}): Instance {
  const world = worldOf(around);
  const source = { readFiles: (pattern: string) => world.glob(pattern).map((file) => ({ file, text: world.readFile(file) ?? '' })), environment: world.environment };
  const blocks = parseCorefile({ file: 'Corefile', text: corefile }, source, (name) => plugins.has(name));
  return createInstance(blocks, { env: around.env ?? testEnv(), world, fatal: around.fatal ?? (() => undefined) });
}

export interface AskOptions {
  readonly transport?: 'udp' | 'tcp';
  readonly port?: number;
  readonly client?: string;
  readonly edns?: number;
  readonly class?: string;
}

export type Answered = dns.DecodedPacket & { rcode: string };

export function opt(size: number): dns.Answer {
  return { type: 'OPT', name: '.', udpPayloadSize: size, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
}

/** Asks by the wire and reads the reply; undefined: silence. */
export function asker(instance: Instance, env: Env = testEnv()): (name: string, type?: string, options?: AskOptions) => Promise<Answered | undefined> {
  return async (name, type = 'A', options = {}) => {
    const { transport = 'udp', port = 53, client = '10.244.0.9', edns } = options;
    const answerer = createAnswerer({ env, port, current: () => instance });
    const question = { name, type: type as dns.RecordType, ...(options.class ? { class: options.class } : {}) } as dns.Question;
    const message = dns.encode({ type: 'query', id: 7, flags: dns.RECURSION_DESIRED, questions: [question], ...(edns ? { additionals: [opt(edns)] } : {}) });
    const bytes = await answerer.answer(message, { transport, client: { ip: client, port: 4242 } });
    return bytes && (dns.decode(Buffer.from(bytes)) as Answered);
  };
}

const shown = (record: dns.Answer): string => {
  switch (record.type) {
    case 'SRV':
      return `${record.data.priority} ${record.data.weight} ${record.data.port} ${record.data.target}`;
    case 'SOA':
      return `${record.data.mname} ${record.data.rname} ${record.data.minimum}`;
    case 'TXT':
      return [record.data].flat().map(String).join(' ');
    default:
      return String((record as { data?: unknown }).data);
  }
};

/** What a reply says in one line: data of the answers, or the kind of absence. */
export function said(reply: Answered | undefined): string {
  if (!reply) return 'silence';
  if (reply.rcode !== 'NOERROR') return reply.rcode;
  if (!reply.answers?.length) return 'NODATA';
  return reply.answers.map(shown).join(' | ');
}
