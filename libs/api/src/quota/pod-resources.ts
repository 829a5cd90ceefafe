import type { Container, Pod } from '../../gen/types.ts';
import { type Quantity, addQuantity, compareQuantity, parseQuantity, zeroQuantity } from '@orrery/apimachinery';

/** Amounts by resource name. */
export type Amounts = Record<string, Quantity>;

export function parseAmounts(list: Readonly<Record<string, string | number>> | undefined): Amounts {
  return Object.fromEntries(Object.entries(list ?? {}).map(([name, value]) => [name, parseQuantity(value)]));
}

export function addAmounts(a: Amounts, b: Amounts): Amounts {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) out[name] = addQuantity(out[name] ?? zeroQuantity, value);
  return out;
}

export function maxAmounts(a: Amounts, b: Amounts): Amounts {
  const out = { ...a };
  for (const [name, value] of Object.entries(b)) if (!out[name] || compareQuantity(value, out[name]) > 0) out[name] = value;
  return out;
}

type Which = 'requests' | 'limits';

const isSidecar = (container: Container): boolean => container.restartPolicy === 'Always';

/**
 * What a pod takes: its containers and sidecars together, or the largest initialising step if that is more, plus
 * overhead; pod-level amounts count instead where they are set.
 */
export function podAmounts(pod: Pod, which: Which): Amounts {
  const { spec } = pod;
  const of = (container: Container): Amounts => parseAmounts(container.resources?.[which]);
  let running = (spec?.containers ?? []).map(of).reduce(addAmounts, {});
  let sidecars: Amounts = {};
  let initialising: Amounts = {};
  for (const container of spec?.initContainers ?? []) {
    if (isSidecar(container)) {
      sidecars = addAmounts(sidecars, of(container));
      initialising = maxAmounts(initialising, sidecars);
    } else initialising = maxAmounts(initialising, addAmounts(of(container), sidecars));
  }
  running = maxAmounts(addAmounts(running, sidecars), initialising);
  const whole = { ...running, ...parseAmounts(spec?.resources?.[which]) };
  const overhead = parseAmounts(spec?.overhead);
  if (which === 'requests') return addAmounts(whole, overhead);
  return addAmounts(whole, Object.fromEntries(Object.entries(overhead).filter(([name]) => whole[name])));
}
