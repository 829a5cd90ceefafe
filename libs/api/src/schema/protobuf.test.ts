import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError } from './decode-error.ts';
import { decodeJson } from './decode.ts';
import { decodeProtobuf } from './decode-protobuf.ts';
import { encodeProtobuf } from './encode-protobuf.ts';
import { allDefinitions, type Definition } from './table.ts';
import { arbitraryObject } from './testing/arbitrary.ts';
import { formatDuration, parseDuration } from './wire-plan.ts';

function apiVersionOf(definition: Definition): string {
  return definition.groupVersion === '*' ? 'policy/v1' : definition.groupVersion.replace(/^\//, '');
}

const kinds = [...allDefinitions()].filter((definition) => definition.groupVersion !== '' && [...definition.schema.fields.values()].some((field) => field.wirePath.length > 0));

describe('protobuf bodies', () => {
  it('round trip every kind', () => {
    expect(kinds.length).toBeGreaterThan(150);
    for (const definition of kinds) {
      const type = { apiVersion: apiVersionOf(definition), kind: definition.kind };
      fc.assert(
        fc.property(arbitraryObject(definition.schema), (fields) => {
          const object = { ...fields, ...type };
          expect(decodeProtobuf(encodeProtobuf(object))).toEqual({ ...type, object });
        }),
        { numRuns: 12 },
      );
    }
  });

  it('hold what JSON decoding lets through', () => {
    const pod = kinds.find((definition) => definition.name === 'io.k8s.api.core.v1.Pod');
    if (!pod) throw new Error('no Pod');
    fc.assert(
      fc.property(arbitraryObject(pod.schema), (fields) => {
        const object = { apiVersion: 'v1', kind: 'Pod', ...fields };
        expect(decodeJson(JSON.stringify(object), pod.name, 'Strict').object).toEqual(object);
      }),
      { numRuns: 100 },
    );
  });

  it('read what client-go wrote', () => {
    // `kubectl create namespace x`: metadata with a name, empty strings and a time never set; empty spec and status.
    const raw = '0a0f' + '0a0178' + '1200' + '1a00' + '2200' + '2a00' + '3200' + '4200' + '1200' + '1a020a00';
    const length = (raw.length / 2).toString(16).padStart(2, '0');
    const hex = `6b3873000a0f0a02763112094e616d65737061636512${length}${raw}1a002200`;
    expect(decodeProtobuf(Buffer.from(hex, 'hex')).object).toEqual({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'x' }, spec: {}, status: {} });
  });

  it('drop zero values of plain fields and keep those of pointers', () => {
    const body = encodeProtobuf({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a', namespace: '' }, spec: { replicas: 0, minReadySeconds: 0, paused: false } } as object);
    expect(decodeProtobuf(body).object).toEqual({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec: { replicas: 0 } });
  });

  it('are the same bytes for the same object, maps in the order of their keys', () => {
    const pod = (labels: object): object => ({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', labels } });
    expect(encodeProtobuf(pod({ b: '2', a: '1', c: '' })).equals(encodeProtobuf(pod({ c: '', a: '1', b: '2' })))).toBe(true);
  });

  it('hold numbers of any size and text of any kind', () => {
    const node = (n: number, text: string): object => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: text, generation: n }, data: { [text]: text } });
    fc.assert(
      fc.property(fc.maxSafeInteger().filter((n) => n !== 0), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 3000, size: 'medium' }), (n, text) => {
        expect(decodeProtobuf(encodeProtobuf(node(n, text))).object).toEqual(node(n, text));
      }),
      { numRuns: 200 },
    );
  });

  it('are what upstream writes, byte for byte', () => {
    // A ConfigMap with one key, as protoc lays the message out.
    const message = '0a03' + '0a0161' + '1206' + '0a016b' + '120176';
    const length = (message.length / 2).toString(16).padStart(2, '0');
    const body = encodeProtobuf({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { k: 'v' } } as object);
    expect(body.toString('hex')).toBe(`6b3873000a0f0a0276311209436f6e6669674d617012${length}${message}1a002200`);
  });

  it('refuse what they are not', () => {
    expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
    expect(() => encodeProtobuf({ apiVersion: 'x.io/v1', kind: 'Foo' })).toThrow('no kind "Foo" is registered for version "x.io/v1"');
  });

  it('survive any bytes', () => {
    const survives = (bytes: Uint8Array): void => {
      try {
        decodeProtobuf(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    };
    const pod = Buffer.from(encodeProtobuf({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', labels: { a: 'b' }, creationTimestamp: '2026-01-01T00:00:00Z' }, spec: { containers: [{ name: 'c', ports: [{ containerPort: 80 }], resources: { limits: { cpu: '1' } }, livenessProbe: { httpGet: { port: 'x' } } }] } } as object));
    fc.assert(fc.property(fc.nat(pod.length - 1), fc.nat(255), (at, byte) => survives(Buffer.from(pod).fill(byte, at, at + 1))), { numRuns: 2000 });
    fc.assert(fc.property(fc.nat(pod.length), (length) => survives(pod.subarray(0, length))), { numRuns: 300 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(Buffer.concat([pod.subarray(0, 17), bytes]))), { numRuns: 1000 });
  });
});

describe('durations', () => {
  it.each(['0s', '1ns', '1.5µs', '100ms', '1.5s', '1m0s', '1h0m0.000000001s', '-30s', '100h5m3s'])('%s', (text) => {
    expect(formatDuration(parseDuration(text) ?? -1n)).toBe(text);
  });
});
