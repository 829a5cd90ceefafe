import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isBolt, pageBytes } from './bolt-format.ts';
import { BoltError, BoltFile } from './bolt-reader.ts';
import { type Bucket, writeBolt } from './bolt-writer.ts';

function file(buckets: readonly Bucket[]): Buffer {
  const writer = writeBolt(buckets);
  for (let step = writer.next(); ; step = writer.next()) if (step.done) return Buffer.concat(step.value);
}

const contents = (bytes: Buffer, name: string): string[][] => [...new BoltFile(bytes).bucket(name)].map(({ key, value }) => [Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex')]);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const items = fc.uniqueArray(fc.record({ key: bytes(40), value: fc.oneof(bytes(60), bytes(9000)) }), { maxLength: 120, selector: ({ key }) => key.toString('hex') }).map((all) => all.sort((a, b) => Buffer.compare(a.key, b.key)));

describe('a bbolt file', () => {
  it('gives back what was written, bucket by bucket', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z]{1,12}$/), items, { maxKeys: 5 }), (buckets) => {
        const written = file(Object.entries(buckets).map(([name, of]) => ({ name, items: of })));
        expect(isBolt(written)).toBe(true);
        expect(written.length % pageBytes).toBe(0);
        for (const [name, of] of Object.entries(buckets)) expect(contents(written, name)).toEqual(of.map(({ key, value }) => [key.toString('hex'), value.toString('hex')]));
        expect(contents(written, 'NOT THERE')).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('has trees of several levels', () => {
    const many = Array.from({ length: 40_000 }, (_, i) => ({ key: Buffer.from(String(i).padStart(30, '0')), value: Buffer.alloc(50, i) }));
    const written = file([{ name: 'many', items: many }]);
    expect(contents(written, 'many')).toEqual(many.map(({ key, value }) => [key.toString('hex'), value.toString('hex')]));
  });

  it('that is damaged is refused, or read as far as it is not: never a crash, never for ever', () => {
    const whole = file([{ name: 'key', items: Array.from({ length: 300 }, (_, i) => ({ key: Buffer.from(String(i).padStart(5, '0')), value: Buffer.alloc(40) })) }]);
    fc.assert(
      fc.property(fc.array(fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) }), { minLength: 1, maxLength: 20 }), fc.option(fc.nat(whole.length)), (damage, cut) => {
        const damaged = Buffer.from(whole);
        for (const { at, to } of damage) damaged[at] = to;
        try {
          contents(cut === null ? damaged : damaged.subarray(0, cut), 'key');
        } catch (error) {
          expect(error).toSatisfy((found) => found instanceof BoltError || found instanceof RangeError);
        }
      }),
      { numRuns: 300 },
    );
    expect(() => new BoltFile(Buffer.alloc(3 * pageBytes))).toThrow('damaged database: neither of its first pages is whole');
    expect(() => new BoltFile(whole.subarray(0, whole.length - pageBytes))).toThrow('damaged database: it ends early');
  });
});
