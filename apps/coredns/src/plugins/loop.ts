import { absolute, bare } from '../message.ts';
import type { Timer } from '@orrery/runtime';
import { type Setup, noArguments, onlyOnce } from './plugin.ts';

/** How often the probe may come by: once from itself, once more from a client that asks the same. */
const allowed = 2;
const attempts = 3;

/** Finds out whether forwarded questions come back: https://coredns.io/plugins/loop/. */
export const loop: Setup = (lines, { env, zones, resolve, fatal }) => {
  noArguments(onlyOnce(lines));
  const zone = zones[0] ?? '';
  const label = (): string => `${env.random.int(2 ** 31)}${env.random.int(2 ** 31)}`;
  const probe = [label(), label(), ...(zone ? [zone] : [])].join('.');
  let seen = 0;
  let looking = true;
  let timer: Timer | undefined;
  const ask = async (left: number): Promise<void> => {
    if (!looking) return;
    const query = { id: env.random.int(65_536), asked: probe, name: probe, type: 'HINFO', class: 'IN', recursionDesired: true, checkingDisabled: false, edns: undefined, transport: 'udp' as const, client: { ip: '127.0.0.1', port: 0 }, size: 0 };
    const { rcode } = await resolve(query);
    // Who cannot forward yet cannot loop yet.
    if (rcode === 'SERVFAIL' && looking && left > 1) timer = env.clock.after(2_000, () => void ask(left - 1));
    else looking = false;
  };
  return {
    async handle(query, next) {
      if (!looking || query.type !== 'HINFO' || query.name !== probe) return next(query);
      if (++seen > allowed) {
        looking = false;
        fatal(`Loop (${query.client.ip}:${query.client.port} -> ${absolute(zone)}) detected for zone "${absolute(zone)}", see https://coredns.io/plugins/loop#troubleshooting. Query: "HINFO ${absolute(probe)}"`);
        return bare('REFUSED');
      }
      return next(query);
    },
    // Others may still have to start.
    start: () => void (timer = env.clock.after(0, () => void ask(attempts))),
    stop() {
      looking = false;
      timer?.cancel();
    },
  };
};
