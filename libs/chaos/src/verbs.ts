/** Where clusters run: in one event loop on a virtual clock, in one process, as processes, as containers. */
export const worlds = ['simulated', 'single', 'processes', 'compose'] as const;
export type WorldName = (typeof worlds)[number];

/** What a fault is aimed at. */
export type Aim = 'components' | 'nodes' | 'pairs' | 'zones' | 'requests' | 'cluster';

/** The parameters that faults take besides what they are aimed at. */
export interface FaultParameters {
  /** Of `api-error`: the HTTP status. */
  readonly code?: number;
  /** Of writes: whether the fault strikes before or after they took effect. */
  readonly when?: 'before' | 'after';
  /** Of delays, slow disks and timeouts: milliseconds. */
  readonly delayMs?: number;
  /** Uniform extra delay, 0 to this. */
  readonly jitterMs?: number;
  /** Share of requests, datagrams or writes that are struck, 0 (exclusive) to 100. Default 100. */
  readonly percent?: number;
  /** Only what goes from the first to the second is cut. */
  readonly oneWay?: boolean;
  /** Bytes a second. */
  readonly bytesPerSecond?: number;
  /** Of clocks: by how much, milliseconds; ahead when positive. */
  readonly byMs?: number;
}

export type Parameter = keyof FaultParameters;

export interface VerbDescription {
  readonly aim: Aim;
  readonly worlds: readonly WorldName[];
  readonly parameters: readonly Parameter[];
  readonly required: readonly Parameter[];
  /** It is done in a moment: there is nothing to end. */
  readonly momentary: boolean;
  readonly help: string;
}

function verb(aim: Aim, where: readonly WorldName[], help: string, more: Partial<Pick<VerbDescription, 'parameters' | 'required' | 'momentary'>> = {}): VerbDescription {
  return { aim, worlds: where, help, parameters: [], required: [], momentary: false, ...more };
}

const everywhere: readonly WorldName[] = worlds;
const apart: readonly WorldName[] = ['simulated', 'processes', 'compose'];

/** The whole language: every fault, what it is aimed at, and the worlds that can do it. */
export const verbs = {
  kill: verb('components', apart, 'ends components at once, without a word; they are started again', { momentary: true }),
  restart: verb('components', everywhere, 'stops components in good order and starts them again', { momentary: true }),
  pause: verb('components', everywhere, 'components stand still, and go on afterwards where they were'),
  partition: verb('pairs', everywhere, 'nothing passes between two nodes, or between a node or component and the API server (`apiserver`)', { parameters: ['oneWay'] }),
  delay: verb('pairs', everywhere, 'what passes between two takes longer', { parameters: ['delayMs', 'jitterMs'], required: ['delayMs'] }),
  loss: verb('pairs', everywhere, 'a share of what passes between two is lost', { parameters: ['percent'], required: ['percent'] }),
  bandwidth: verb('pairs', everywhere, 'between two nodes passes no more than so many bytes a second', { parameters: ['bytesPerSecond'], required: ['bytesPerSecond'] }),
  'disk-full': verb('components', everywhere, 'the store\'s disk has no room left; as in etcd an alarm keeps writes away afterwards, until `etcdctl alarm disarm`'),
  'disk-slow': verb('components', everywhere, 'the store\'s disk takes longer to write and to sync', { parameters: ['delayMs', 'percent'], required: ['delayMs'] }),
  'fsync-error': verb('components', everywhere, 'the store\'s disk fails to sync; as a disk that once failed is not trusted, the store takes no more writes until it is started again, which those that are processes are at once', { parameters: ['percent'] }),
  'clock-skew': verb('components', apart, 'the clocks of components are off by so much', { parameters: ['byMs'], required: ['byMs'] }),
  'clock-jump': verb('cluster', everywhere, 'the cluster\'s time jumps ahead at once: what falls due meanwhile is late', { parameters: ['byMs'], required: ['byMs'], momentary: true }),
  'api-error': verb('requests', everywhere, 'requests fail with a status (409, 429, 500, 503 …), before or after they took effect', { parameters: ['code', 'when', 'percent'], required: ['code'] }),
  'api-timeout': verb('requests', everywhere, 'requests get no answer in time, whether or not they took effect', { parameters: ['when', 'delayMs', 'percent'] }),
  'api-delay': verb('requests', everywhere, 'requests take longer', { parameters: ['delayMs', 'jitterMs', 'percent'], required: ['delayMs'] }),
  'stale-reads': verb('requests', everywhere, 'lists and gets show what was when the fault began', { parameters: ['percent'] }),
  'watch-drop': verb('requests', everywhere, 'watches are ended, again and again', { parameters: ['delayMs', 'percent'] }),
  'watch-delay': verb('requests', everywhere, 'watches tell late what happened', { parameters: ['delayMs'], required: ['delayMs'] }),
  'node-outage': verb('nodes', everywhere, 'nodes are gone: nothing runs, nothing answers'),
  'zone-outage': verb('zones', everywhere, 'all nodes of a zone (topology.kubernetes.io/zone) are gone'),
  'cloud-outage': verb('cluster', everywhere, 'the cloud answers nothing'),
  'nats-outage': verb('cluster', ['processes', 'compose'], 'NATS, which carries the change feed, answers nothing'),
} as const satisfies Readonly<Record<string, VerbDescription>>;

export type Verb = keyof typeof verbs;
export const verbNames = Object.keys(verbs) as Verb[];

export const describeVerb = (name: Verb): VerbDescription => verbs[name];

/** Why a world cannot do a fault, and which can; undefined when it can. */
export function cannot(name: Verb, world: WorldName): string | undefined {
  const able: readonly WorldName[] = verbs[name].worlds;
  if (able.includes(world)) return undefined;
  return `${name} cannot be done in the ${world} world; ${able.length === 1 ? `the ${able[0] ?? ''} one can` : `these can: ${able.join(', ')}`}`;
}
