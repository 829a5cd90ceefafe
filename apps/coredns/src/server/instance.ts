import type { Env } from '@orrery/runtime';
import type { Token } from '../corefile/lexer.ts';
import { type Line, type ServerBlock, errorAt } from '../corefile/parser.ts';
import { longestZone, parseAddress } from '../corefile/zones.ts';
import { type Handler, type Reply, absolute, bare } from '../message.ts';
import { plugins } from '../plugins/index.ts';
import { type HttpEndpoint, type Plugin, pluginError } from '../plugins/plugin.ts';
import type { DnsWorld } from '../world.ts';
import { type BlockMetrics, blockMetrics } from './metrics.ts';

/** One server block, ready to answer. */
export interface Block {
  readonly zone: string;
  readonly handle: Handler;
  readonly metrics: BlockMetrics | undefined;
  /** Classes other than IN are answered. */
  readonly anyClass: boolean;
}

export interface ListenAddress {
  /** '' is every address. */
  readonly ip: string;
  readonly port: number;
}

/** All blocks of one Corefile. */
export interface Instance {
  readonly listens: readonly ListenAddress[];
  readonly http: readonly HttpEndpoint[];
  /** The block a name belongs to on a port; undefined: REFUSED. */
  block(port: number, name: string): Block | undefined;
  start(): Promise<void>;
  stop(): Promise<void>;
  notReady(): readonly string[];
}

export interface InstanceOptions {
  readonly env: Env;
  readonly world: DnsWorld;
  readonly fatal: (reason: string) => void;
}

interface Named {
  readonly name: string;
  readonly plugin: Plugin;
}

const endOfChain: Handler = () => Promise.reject(new Error('no next plugin found'));

function chain(list: readonly Named[]): Handler {
  return list.reduceRight<Handler>((next, { plugin }) => {
    const { handle } = plugin;
    return handle ? (query) => handle(query, next) : next;
  }, endOfChain);
}

/** Lines of each directive, in the order queries pass the plugins. */
function grouped(directives: readonly Line[]): [string, [Line, ...Line[]]][] {
  return [...plugins.keys()].flatMap((name): [string, [Line, ...Line[]]][] => {
    const [first, ...rest] = directives.filter((line) => line.name.text === name);
    return first ? [[name, [first, ...rest]]] : [];
  });
}

function bindAddresses(directives: readonly Line[]): string[] {
  const ips = directives.filter((line) => line.name.text === 'bind').flatMap((line) => line.args.map((arg) => arg.text));
  return ips.length ? ips : [''];
}

class Builder {
  readonly listens = new Map<string, ListenAddress>();
  readonly http: HttpEndpoint[] = [];
  readonly all: Named[] = [];
  readonly ports = new Map<number, Map<string, Block>>();
  private readonly options: InstanceOptions;

  constructor(options: InstanceOptions) {
    this.options = options;
  }

  readonly notReady = (): readonly string[] => this.all.filter(({ plugin }) => plugin.ready?.() === false).map(({ name }) => name);

  readonly block = (port: number, name: string): Block | undefined => {
    const zones = this.ports.get(port);
    if (!zones) return undefined;
    const root = zones.get('');
    if (root && zones.size === 1) return root;
    const zone = longestZone(name, [...zones.keys()]);
    return zone === undefined ? undefined : zones.get(zone);
  };

  add({ keys, directives }: ServerBlock): void {
    const places = keys.flatMap((key) => parseAddress(key).map((address) => ({ ...address, key })));
    for (const port of new Set(places.map((place) => place.port))) {
      const here = places.filter((place) => place.port === port);
      this.addOn(port, here, directives);
      for (const ip of bindAddresses(directives)) this.listens.set(`${ip} ${port}`, { ip, port });
    }
  }

  private addOn(port: number, places: readonly { zone: string; key: Token }[], directives: readonly Line[]): void {
    const zones = places.map(({ zone }) => zone);
    const server = `dns://:${port}`;
    const named = this.makePlugins(directives, { zones, server, port });
    this.all.push(...named);
    const handle = chain(named);
    const has = (name: string): boolean => directives.some((line) => line.name.text === name);
    const known = this.ports.get(port) ?? new Map<string, Block>();
    this.ports.set(port, known);
    for (const { zone, key } of places) {
      if (known.has(zone)) throw errorAt(key, `cannot serve dns://${absolute(zone)}:${port} - it is already defined`);
      const metrics = has('prometheus') ? blockMetrics(this.options.env.metrics, { server, zone: absolute(zone) }) : undefined;
      known.set(zone, { zone, handle, metrics, anyClass: has('chaos') || has('forward') });
    }
  }

  private makePlugins(directives: readonly Line[], place: { zones: readonly string[]; server: string; port: number }): Named[] {
    const { env, world, fatal } = this.options;
    const resolve = async (query: Parameters<Handler>[0]): Promise<Reply> => {
      const block = this.block(place.port, query.name);
      return block ? block.handle(query).catch(() => bare('SERVFAIL')) : bare('REFUSED');
    };
    const context = { env, world, fatal, zones: place.zones, server: place.server, resolve, notReady: this.notReady, http: (endpoint: HttpEndpoint) => void this.http.push(endpoint) };
    return grouped(directives).flatMap(([name, lines]) => {
      try {
        const plugin = plugins.get(name)?.(lines, context);
        return plugin ? [{ name, plugin }] : [];
      } catch (error) {
        throw pluginError(name, error);
      }
    });
  }
}

/** Makes the server of a Corefile's blocks. Nothing runs before `start`. Throws CorefileError. */
export function createInstance(blocks: readonly ServerBlock[], options: InstanceOptions): Instance {
  const builder = new Builder(options);
  for (const block of blocks) builder.add(block);
  const { all, notReady, block, http } = builder;
  return {
    listens: [...builder.listens.values()],
    http,
    block,
    notReady,
    async start() {
      for (const { plugin } of all) await plugin.start?.();
    },
    async stop() {
      await Promise.all(all.map(async ({ plugin }) => plugin.stop?.()));
    },
  };
}
