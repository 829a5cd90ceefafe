import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Recent } from './recent.ts';

it('knows the latest keys, forgets what is older than two generations, and never tells an older value', () => {
  const steps = fc.array(fc.record({ key: fc.nat(20).map(String), forget: fc.boolean() }), { maxLength: 200 });
  fc.assert(fc.property(steps, fc.integer({ min: 1, max: 8 }), (all, capacity) => {
    const recent = new Recent<number>(capacity);
    const latest = new Map<string, number>();
    for (const [at, { key, forget }] of all.entries()) {
      latest.delete(key);
      if (forget) recent.delete(key);
      else {
        recent.set(key, at);
        latest.set(key, at);
      }
      const newest = [...latest.keys()].slice(-capacity);
      for (const [one, value] of latest) expect(recent.get(one) ?? (newest.includes(one) ? undefined : value)).toBe(value);
      const known = Array.from({ length: 21 }, (_, i) => String(i)).filter((one) => recent.get(one) !== undefined);
      expect(known.length).toBeLessThanOrEqual(2 * capacity);
      for (const one of known) expect(latest.has(one)).toBe(true);
    }
  }));
});
