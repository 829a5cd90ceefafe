import { cloneJson, deepFreeze } from '@orrery/apimachinery';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeChanged, decodeValue } from './decode.ts';
import { schemaOf } from './lookup.ts';

const schema = schemaOf('io.k8s.api.core.v1.Pod');
const changing = ['metadata', 'status'];

const pod = deepFreeze({
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'a', labels: { app: 'a' }, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'u' }] },
  spec: { containers: [{ name: 'c', image: 'i' }], nodeName: 'n' },
  status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'True' }, { type: 'Ready', status: 'False' }] },
});

const decode = (value: Record<string, unknown>): Record<string, any> => decodeChanged(value, pod, { schema, mode: 'Warn', changing }).object;

describe('an object of which some parts are what they were', () => {
  it('shares those, but for what is worked on', () => {
    const object = decode({ ...pod, status: { ...pod.status, phase: 'Running' } });
    expect(object).toEqual({ ...pod, status: { ...pod.status, phase: 'Running' } });
    expect(object['spec']).toBe(pod.spec);
    expect(object['status'].conditions).toBe(pod.status.conditions);
    expect(object['metadata']).not.toBe(pod.metadata);
    expect(object['metadata'].labels).toBe(pod.metadata.labels);
  });

  it('is a copy that may be changed, even when nothing was', () => {
    const object = decode({ ...pod });
    object['metadata'].uid = 'x';
    object['status'].phase = 'Failed';
    object['spec'] = {};
    expect(pod.status.phase).toBe('Pending');
  });

  it('is decoded where it is new: in its place, and out of it', () => {
    const [scheduled, ready] = pod.status.conditions;
    const { object, warnings } = decodeChanged({ ...pod, status: { conditions: [ready, { ...scheduled, wrong: 1 }], startTime: null } }, pod, { schema, mode: 'Warn', changing });
    expect(object['status']).toEqual({ conditions: [ready, scheduled] });
    expect(warnings).toEqual(['unknown field "status.conditions[1].wrong"']);
    expect((object['status'] as { conditions: unknown[] }).conditions[0]).not.toBe(ready);
    // The labels are known as labels, not as a status.
    expect(decode({ ...pod, status: pod.metadata.labels as unknown })['status']).toEqual({});
  });

  it('comes out as if all of it had been decoded', () => {
    const part = fc.constantFrom(pod.metadata, pod.spec, pod.status, pod.status.conditions, pod.metadata.labels, pod.metadata.ownerReferences, {}, [], null, 1, 'x', { conditions: pod.status.conditions, phase: 'x' });
    const value = fc.record({ kind: fc.constant('Pod'), metadata: part, spec: part, status: part }, { requiredKeys: [] });
    const outcome = (run: () => unknown): unknown => {
      try {
        return run();
      } catch (error) {
        return (error as Error).message;
      }
    };
    fc.assert(
      fc.property(value, (given) => {
        const whole = outcome(() => decodeValue(cloneJson(given), schema, 'Warn'));
        expect(outcome(() => decodeChanged(given, pod, { schema, mode: 'Warn', changing }))).toEqual(whole);
      }),
    );
  });
});
