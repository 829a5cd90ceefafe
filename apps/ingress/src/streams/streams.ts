import type { Env } from '@orrery/runtime';
import type { Conn, Endpoint } from '@orrery/vnet';
import { byTurn } from '../deciding/balance.ts';
import { type Backends, endpointsOf, upstreamName } from '../routing/backends.ts';
import type { Stream } from './plan.ts';

/** How ports of this machine lead into the emulated network; see `balancerNetwork` of node-io. */
export interface StreamNetwork {
  listen(at: { host: string; port: number }, dial: (client: Endpoint) => Promise<Conn>): Promise<StreamListener>;
  listenUdp(at: { host: string; port: number }, pick: (client: Endpoint) => Endpoint | undefined): Promise<StreamListener>;
  dial(target: Endpoint): Promise<Conn>;
}

export interface StreamListener {
  close(): Promise<void>;
}

const nameOf = ({ protocol, port }: Stream): string => `${protocol} ${port}`;

/** Listens for TCP and UDP services. What is connected stays so when others come and go. */
export class Streams {
  private readonly env: Env;
  private readonly options: { network: StreamNetwork; host: string; backends: Backends; failed: (stream: Stream, message: string) => void };
  private readonly open = new Map<string, { stream: Stream; listener: StreamListener }>();
  private wanted = new Map<string, Stream>();
  private readonly turns = new Map<string, number>();
  private work: Promise<void> = Promise.resolve();

  constructor(env: Env, options: { network: StreamNetwork; host: string; backends: Backends; failed: (stream: Stream, message: string) => void }) {
    this.env = env;
    this.options = options;
  }

  /** Resolves when exactly these ports are listened on, but for those that failed. */
  set(streams: readonly Stream[]): Promise<void> {
    this.wanted = new Map(streams.map((stream) => [nameOf(stream), stream]));
    this.work = this.work.then(() => this.settle()).catch((error: unknown) => this.env.log.error('streams are not as they should be', { error }));
    return this.work;
  }

  private async settle(): Promise<void> {
    for (const [name, { listener }] of [...this.open]) {
      if (this.wanted.has(name)) continue;
      this.open.delete(name);
      await listener.close();
    }
    for (const [name, stream] of [...this.wanted]) {
      if (this.open.has(name)) continue;
      try {
        this.open.set(name, { stream, listener: await this.listen(name, stream) });
      } catch (error) {
        this.options.failed(stream, (error as Error).message);
      }
    }
  }

  private listen(name: string, { protocol, port }: Stream): Promise<StreamListener> {
    const { network, host } = this.options;
    const at = { host, port };
    return protocol === 'TCP' ? network.listen(at, () => this.dial(name)) : network.listenUdp(at, () => this.endpoints(name)[0]);
  }

  /** Of the service that the port leads to now, the next one first. */
  private endpoints(name: string): Endpoint[] {
    const backend = this.wanted.get(name)?.backend;
    if (!backend) return [];
    const turn = this.turns.get(name) ?? 0;
    this.turns.set(name, turn + 1);
    return byTurn(endpointsOf(this.options.backends, backend, false), turn);
  }

  private async dial(name: string): Promise<Conn> {
    const backend = this.wanted.get(name)?.backend;
    let failure: unknown = new Error(`no endpoint of ${backend ? upstreamName(backend) : name}`);
    for (const endpoint of this.endpoints(name)) {
      try {
        return await this.options.network.dial(endpoint);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }
}
