import { applyStrategicMergePatch, cloneJson, deepFreeze, PatchError } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from './decode-error.ts';
import { decodeJson, decodeValue } from './decode.ts';
import { decodeYaml } from './decode-yaml.ts';
import { schemaOf } from './lookup.ts';
import { arbitraryObject } from './testing/arbitrary.ts';

const pod = schemaOf('io.k8s.api.core.v1.Pod');

/** Throws nothing but what a client may be answered with. */
function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof PatchError)) throw error;
  }
}

const keys = fc.constantFrom('metadata', 'spec', 'containers', 'name', 'labels', 'env', '$patch', '$retainKeys', '$setElementOrder/containers', '$deleteFromPrimitiveList/finalizers', 'finalizers', '__proto__', 'resources', 'limits');
const anyJson = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constantFrom(null, true, 0, 1.5, '', 'delete', 'replace', '1Gi', 'a'), fc.array(tie('value'), { maxLength: 3 }), fc.array(fc.tuple(keys, tie('value')), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))),
})).value;

describe('decoding', () => {
  it('survives any JSON', () => {
    fc.assert(fc.property(anyJson, (value) => survives(() => decodeJson(JSON.stringify(value), pod, 'Strict'))), { numRuns: 1000 });
    fc.assert(fc.property(anyJson, (value) => survives(() => decodeJson(JSON.stringify(value), pod, 'Ignore'))), { numRuns: 1000 });
  });

  it('survives any YAML', () => {
    const pieces = fc.constantFrom('a', ': ', '- ', '\n', '  ', '{', '}', '[', ']', '&x ', '*x', '"', "'", '|', '>', '#', '!!', '<<: ', '?', 'metadata:\n  name: x\n');
    fc.assert(fc.property(fc.array(pieces, { maxLength: 15 }), (parts) => survives(() => decodeYaml(parts.join(''), pod, 'Strict'))), { numRuns: 1000 });
  });

  it('bounds the expansion of aliases', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${Array(10).fill(`*l${i}`).join(', ')}]`);
    expect(() => decodeYaml(['l0: &l0 x', ...levels].join('\n'), pod, 'Ignore')).toThrow(DecodeError);
  });

  it('is stable: what it gives it takes', () => {
    fc.assert(
      fc.property(anyJson, (value) => {
        survives(() => {
          const { object } = decodeJson(JSON.stringify(value), pod, 'Ignore');
          expect(decodeValue(object, pod, 'Strict').object).toEqual(object);
        });
      }),
      { numRuns: 1000 },
    );
  });
});

describe('strategic merge', () => {
  it('survives any patch and changes no argument', () => {
    fc.assert(
      fc.property(anyJson, anyJson, (target, patch) => {
        const before = [cloneJson(target), cloneJson(patch)];
        survives(() => applyStrategicMergePatch(deepFreeze(target), deepFreeze(patch), pod));
        expect([target, patch]).toEqual(before);
      }),
      { numRuns: 1000 },
    );
  });

  it('applied twice is as applied once, and anything applied to nothing is itself', () => {
    fc.assert(
      fc.property(arbitraryObject(pod), arbitraryObject(pod), (target, patch) => {
        survives(() => {
          const once = applyStrategicMergePatch(deepFreeze(target), deepFreeze(patch), pod);
          expect(applyStrategicMergePatch(once, patch, pod)).toEqual(once);
        });
        expect(applyStrategicMergePatch({}, patch, pod)).toEqual(patch);
        expect(applyStrategicMergePatch(target, {}, pod)).toEqual(target);
      }),
      { numRuns: 200 },
    );
  });
});
