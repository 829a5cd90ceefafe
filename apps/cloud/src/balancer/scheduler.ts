import type { Target } from '@orrery/proto/cloud';

export const schedulers = ['rr', 'wrr', 'wlc', 'sch'] as const;

export const targetKey = ({ address = '', port = 0 }: Target): string => `${address}|${port}`;
const weightOf = ({ weight = 100 }: Target): number => weight;

/** Picks targets of one listener; what it remembers outlives changes of the targets. */
export interface TargetScheduler {
  /** The targets to try for a connection, the chosen one first. Those of weight 0 are not among them. */
  order(targets: readonly Target[], client: string): Target[];
  opened(target: Target): void;
  closed(target: Target): void;
  connections(target: Target): number;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193) >>> 0;
  // The last bits of similar texts are similar: mix them.
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b) >>> 0;
  return (value ^ (value >>> 13)) >>> 0;
}

/** Weighted rendezvous hashing: a target that goes moves only its own clients. */
function hashedScore(target: Target, client: string): number {
  const unit = (hash(`${client} ${targetKey(target)}`) + 1) / 2 ** 32;
  return -weightOf(target) / Math.log(unit);
}

/** `name` is one of `schedulers`; '' is wrr. */
export function createTargetScheduler(name: () => string): TargetScheduler {
  const open = new Map<string, number>();
  /** Smooth weighted round robin: each turn everyone gains its weight, the richest is taken and pays the sum. */
  const credit = new Map<string, number>();
  let turn = 0;
  const connections = (target: Target): number => open.get(targetKey(target)) ?? 0;
  const weighted = (targets: readonly Target[]): Target[] => {
    const total = targets.reduce((sum, target) => sum + weightOf(target), 0);
    let best: Target | undefined;
    for (const target of targets) {
      const key = targetKey(target);
      credit.set(key, (credit.get(key) ?? 0) + weightOf(target));
      if (!best || (credit.get(key) ?? 0) > (credit.get(targetKey(best)) ?? 0)) best = target;
    }
    if (best) credit.set(targetKey(best), (credit.get(targetKey(best)) ?? 0) - total);
    if (credit.size > targets.length * 2 + 16) for (const key of [...credit.keys()]) if (!targets.some((target) => targetKey(target) === key)) credit.delete(key);
    const at = best ? targets.indexOf(best) : 0;
    return [...targets.slice(at), ...targets.slice(0, at)];
  };
  return {
    order(all, client) {
      const targets = all.filter((target) => weightOf(target) > 0);
      switch (name()) {
        case 'rr': {
          const at = turn++ % Math.max(1, targets.length);
          return [...targets.slice(at), ...targets.slice(0, at)];
        }
        case 'wlc':
          return targets.sort((a, b) => (connections(a) + 1) / weightOf(a) - (connections(b) + 1) / weightOf(b));
        case 'sch': {
          const scored = targets.map((target) => ({ target, score: hashedScore(target, client) }));
          return scored.sort((a, b) => b.score - a.score).map(({ target }) => target);
        }
        default:
          return weighted(targets);
      }
    },
    opened: (target) => void open.set(targetKey(target), connections(target) + 1),
    closed(target) {
      const left = connections(target) - 1;
      if (left > 0) open.set(targetKey(target), left);
      else open.delete(targetKey(target));
    },
    connections,
  };
}
