import type { Env } from '@orrery/runtime';
import type { NetStack } from '@orrery/vnet';
import type { HttpEndpoint } from '../plugins/plugin.ts';
import type { HostDns } from '../world.ts';
import { createAnswerer } from './answerer.ts';
import type { Instance } from './instance.ts';
import { listenDns, listenHttp } from './listen.ts';

/** The port whose place on this machine `--listen` names. */
const dnsPort = 53;

export interface Listeners {
  /** Opens what the current instance needs and is not open, closes what it needs no more. What stays open loses nothing. */
  update(): Promise<void>;
  close(): Promise<void>;
  /** `host:port` on this machine of port 53; '' when there is none. */
  address(): string;
}

/** Everything that listens for an instance, in the emulated network (each of `nets`) and on this machine. */
export function createListeners(options: { readonly env: Env; readonly nets: () => readonly NetStack[]; readonly host?: HostDns; readonly current: () => Instance | undefined }): Listeners {
  const { env, nets, host, current } = options;
  const open = new Map<string, () => void | Promise<void>>();
  const stackIds = new Map<NetStack, number>();
  let address = '';
  const onError = (error: unknown): void => env.log.debug('a client went away', { error });
  const idOf = (net: NetStack): number => {
    if (!stackIds.has(net)) stackIds.set(net, stackIds.size);
    return stackIds.get(net) ?? 0;
  };
  const endpoint = (at: { ip: string; port: number }, path: string): HttpEndpoint | undefined => current()?.http.find((one) => one.path === path && one.address.ip === at.ip && one.address.port === at.port);

  /** What should be open, by name, and how to open it. */
  const wanted = (instance: Instance): Map<string, () => (() => void | Promise<void>) | Promise<() => void | Promise<void>>> => {
    const out: ReturnType<typeof wanted> = new Map();
    for (const { ip, port } of instance.listens) {
      const answerer = createAnswerer({ env, port, current });
      for (const net of nets()) if (ip === '' || net.ips.includes(ip)) out.set(`dns ${idOf(net)} ${ip} ${port}`, () => listenDns(answerer, net, { ip, port, onError }));
      if (host?.listens) {
        out.set(`host ${port}`, async () => {
          const listener = await host.listen(answerer, port === dnsPort ? undefined : port);
          if (port === dnsPort) address = listener.address;
          return () => listener.close();
        });
      }
    }
    for (const { address: at } of instance.http) {
      for (const net of nets()) out.set(`http ${idOf(net)} ${at.ip} ${at.port}`, () => listenHttp(net, { ...at, onError }, (path) => endpoint(at, path)));
    }
    return out;
  };
  const shut = async (keys: readonly string[]): Promise<void> => {
    for (const key of keys) {
      const close = open.get(key);
      open.delete(key);
      await close?.();
    }
  };
  return {
    address: () => address,
    async update() {
      const instance = current();
      const needed: ReturnType<typeof wanted> = instance ? wanted(instance) : new Map();
      await shut([...open.keys()].filter((key) => !needed.has(key)));
      for (const [key, start] of needed) {
        if (open.has(key)) continue;
        try {
          open.set(key, await start());
        } catch (error) {
          // The port that everybody asks is not optional.
          if (key === `host ${dnsPort}` || (key.startsWith('dns ') && key.endsWith(` ${dnsPort}`))) throw error;
          env.log.error(`cannot listen: ${(error as Error).message}`, { at: key });
        }
      }
    },
    close: () => shut([...open.keys()]),
  };
}
