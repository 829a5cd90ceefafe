import { parseLabelSelector } from '@orrery/apimachinery';
import { endsWithin } from '@orrery/runtime';
import { isReverseName } from '../zone/records.ts';
import { longestZone } from '../corefile/zones.ts';
import type { ZoneOptions } from '../zone/kubernetes.ts';
import { type Zone, answerFromCluster, noSuchName, notKnown } from '../zone/answer.ts';
import type { ClusterSelection } from '../world.ts';
import { type Fallthrough, type Line, type Setup, argumentError, duration, errorAt, fallthroughOf, integer, noArguments, noFallthrough, oneArgument, onlyOnce, zonesOf } from './plugin.ts';

const defaultTtl = 5;
const maxTtl = 3600;
const defaultStartupMs = 5_000;

interface Settings {
  options: { -readonly [K in keyof ZoneOptions]: ZoneOptions[K] };
  selection: { -readonly [K in keyof ClusterSelection]: ClusterSelection[K] };
  fall: Fallthrough;
  /** So long the start waits for the API server. */
  startupMs: number;
}

function selector(line: Line): string {
  if (!line.args.length) throw argumentError(line);
  const text = line.args.map((arg) => arg.text).join(' ');
  try {
    parseLabelSelector(text);
  } catch (error) {
    throw errorAt(line.name, `unable to parse ${line.name.text === 'labels' ? 'label selector' : 'namespace_label selector'} value: '${text}': ${(error as Error).message}`);
  }
  return text;
}

const podModes: readonly string[] = ['disabled', 'verified', 'insecure'];

const properties: Readonly<Record<string, (line: Line, settings: Settings) => void>> = {
  endpoint_pod_names(line, { options }) {
    noArguments(line);
    options.endpointPodNames = true;
  },
  pods(line, { options, selection }) {
    const mode = oneArgument(line);
    if (!podModes.includes(mode.text)) throw errorAt(mode, `wrong value for pods: ${mode.text},  must be one of: disabled, verified, insecure`);
    options.pods = mode.text as ZoneOptions['pods'];
    selection.pods = mode.text === 'verified';
  },
  namespaces(line, { options }) {
    if (!line.args.length) throw argumentError(line);
    options.namespaces = new Set([...options.namespaces, ...line.args.map((arg) => arg.text)]);
  },
  labels: (line, { selection }) => void (selection.labels = selector(line)),
  namespace_labels: (line, { selection }) => void (selection.namespaceLabels = selector(line)),
  fallthrough: (line, settings) => void (settings.fall = fallthroughOf(line)),
  ttl(line, { options }) {
    const text = oneArgument(line);
    const ttl = integer(text);
    if (ttl < 0 || ttl > maxTtl) throw errorAt(text, `ttl must be in range [0, 3600]: ${ttl}`);
    options.ttl = ttl;
  },
  noendpoints(line, { selection }) {
    noArguments(line);
    selection.endpoints = false;
  },
  ignore(line, { options }) {
    const what = oneArgument(line);
    if (what.text !== 'empty_service') throw errorAt(what, `unable to parse ignore value: '${what.text}'`);
    options.ignoreEmptyService = true;
  },
  startup_timeout: (line, settings) => void (settings.startupMs = duration(oneArgument(line))),
  // How the API server is reached is this program's own affair (--kubeconfig, --api-server).
  endpoint: () => undefined,
  apiserver_qps: () => undefined,
  apiserver_burst: () => undefined,
  apiserver_max_inflight: () => undefined,
  tls: () => undefined,
  kubeconfig: () => undefined,
};

function parse(line: Line): Settings {
  const settings: Settings = {
    options: { ttl: defaultTtl, pods: 'disabled', endpointPodNames: false, namespaces: new Set(), ignoreEmptyService: false },
    selection: { pods: false, endpoints: true },
    fall: noFallthrough,
    startupMs: defaultStartupMs,
  };
  for (const property of line.block) {
    const read = properties[property.name.text];
    if (!read) throw errorAt(property.name, `unknown property '${property.name.text}'`);
    read(property, settings);
  }
  if (settings.options.namespaces.size && settings.selection.namespaceLabels) throw errorAt(line.name, 'namespaces and namespace_labels cannot both be set');
  return settings;
}

/** The cluster's zone: https://coredns.io/plugins/kubernetes/. */
export const kubernetes: Setup = (lines, { env, world, zones: ofBlock, resolve }) => {
  const line = onlyOnce(lines);
  const zones = zonesOf(line.args, ofBlock);
  const primary = zones.find((zone) => !isReverseName(zone));
  if (primary === undefined) throw errorAt(line.name, 'non-reverse zone name must be used');
  const { options, selection, fall, startupMs } = parse(line);
  const feed = world.cluster(selection);
  const base: Omit<Zone, 'zone'> = { ...options, primary, view: feed.view, serial: () => feed.serial(), localIps: () => world.localIps(), resolve };
  const byZone = new Map(zones.map((zone) => [zone, { ...base, zone }]));
  return {
    async handle(query, next) {
      const zone = byZone.get(longestZone(query.name, zones) ?? '-');
      if (!zone || query.class !== 'IN') return next(query);
      const reply = await answerFromCluster(query, zone);
      if (reply) return reply;
      if (fall(query.name)) return next(query);
      return feed.synced() ? noSuchName(zone) : notKnown(zone);
    },
    async start() {
      feed.start();
      const known = feed.whenSynced();
      if (await endsWithin(env.clock, startupMs, known)) return;
      env.log.warn('starting server with unsynced Kubernetes API', { plugin: 'kubernetes' });
      known.catch((error: unknown) => env.log.debug('the cluster stays unknown', { error }));
    },
    stop: () => feed.stop(),
    ready: () => feed.synced(),
  };
};
