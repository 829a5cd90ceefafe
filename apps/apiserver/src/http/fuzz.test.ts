import { allKinds, customSchema, type KindDescriptor, schemaOf } from '@orrery/api';
import { StatusError } from '@orrery/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { impersonation } from '../authentication/impersonation.ts';
import { applyPatch, type PatchType } from '../registry/patch.ts';
import { decodeBody, type ExpectedKind, expectKind } from './body.ts';
import { negotiate, negotiateFailure } from './negotiation.ts';
import { deleteOptions, fieldValidation, listOptions, watchOptions, writeOptions } from './options.ts';
import { readPatchBody } from './patch-body.ts';
import { parseRequest } from './request-path.ts';

/** More with ORRERY_FUZZ_RUNS=10. A failure prints its seed. */
const numRuns = 300 * Number(process.env['ORRERY_FUZZ_RUNS'] ?? 1);
const patienceMs = 5_000;

const near = (...pieces: readonly string[]): fc.Arbitrary<string> => fc.array(fc.oneof({ weight: 8, arbitrary: fc.constantFrom(...pieces) }, { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 3 }) }), { maxLength: 12 }).map((parts) => parts.join(''));

/** Answers, or refuses with a failure of the client's. */
function survives(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    expect(error.code, error.message).toBeLessThan(500);
  }
}

const configMapKind = allKinds.find(({ kind }) => kind === 'ConfigMap') as KindDescriptor;
const kinds: readonly ExpectedKind[] = [
  expectKind(configMapKind),
  { group: 'apps', version: 'v1', kind: 'Deployment', schema: schemaOf('io.k8s.api.apps.v1.Deployment') },
  { group: 'example.com', version: 'v1', kind: 'Thing', schema: customSchema({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true, properties: { spec: { type: 'object', properties: { a: { type: 'integer' } } } } }) },
];
const contentTypes = fc.constantFrom('application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf', '', 'application/json;charset=x', ';', 'text/plain');
const bodies = near('{', '}', '[', ']', '"apiVersion":"v1"', '"kind":"ConfigMap"', '"metadata":', '"name":', '"x"', '"spec":', '"data":', 'null', '1e999', '-', ':', ',', '\n', '  ', 'metadata:\n  name: x\n', '- ', '&a ', '*a', '!!binary ', '<<: ', '? ', '|', 'k8s\0', '\ud800');

describe('requests of any kind', () => {
  it('paths', () => {
    const paths = near('/', 'api', 'apis', 'v1', 'apps', 'namespaces', 'watch', 'pods', 'status', '%2f', '%', '%zz', '..', '?', 'watch=1', '&', 'fieldSelector=metadata.name%3Dx', '=');
    fc.assert(fc.property(fc.constantFrom('GET', 'POST', 'DELETE', 'PATCH', 'X', ''), paths, (method, path) => survives(() => parseRequest(method, `/${path}`))), { numRuns });
  });

  it('queries', () => {
    const names = ['limit', 'continue', 'labelSelector', 'resourceVersion', 'timeoutSeconds', 'dryRun', 'fieldManager', 'fieldValidation', 'force', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy', 'sendInitialEvents', 'pretty'];
    const values = fc.oneof(fc.constantFrom('', '0', '-1', 'x', 'true', 'All', 'Strict', '99999999999999999999', '1e9', 'Orphan'), fc.string({ unit: 'binary', maxLength: 6 }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom(...names), values), { maxLength: 5 }), fc.string({ unit: 'binary', maxLength: 20 }), (pairs, userAgent) => {
        const query = new URLSearchParams(pairs);
        for (const read of [listOptions, watchOptions]) survives(() => read(query));
        survives(() => fieldValidation(query, 'CreateOptions'));
        survives(() => deleteOptions(query, undefined));
        survives(() => {
          expect(writeOptions(query, { optionsKind: 'PatchOptions', userAgent }).fieldManager).not.toBe('');
        });
      }),
      { numRuns },
    );
  });

  it('forms that are asked for', () => {
    const accept = near('application/', 'json', 'yaml', '*/*', ';', ',', 'q=', '0.5', '0', 'as=Table', 'v=v1', 'g=meta.k8s.io', 'stream=watch', ' ', '"', 'application/vnd.kubernetes.protobuf');
    fc.assert(
      fc.property(accept, fc.boolean(), (header, stream) => {
        survives(() => negotiate(header, { pretty: false, transforms: true, protobuf: true, stream }));
        negotiateFailure(header, false);
      }),
      { numRuns },
    );
  });

  it('impersonation', async () => {
    const values = fc.constantFrom('', 'jane', 'system:serviceaccount:a:b', 'system:serviceaccount::', 'system:node:x', 'system:masters', '%', '\u0000');
    const headers = fc.dictionary(fc.constantFrom('impersonate-user', 'impersonate-group', 'impersonate-uid', 'impersonate-extra-', 'impersonate-extra-%zz', 'impersonate-extra-a%2fb', 'impersonate-x'), fc.oneof(values, fc.array(values, { maxLength: 3 })), { noNullPrototype: true });
    const user = { username: 'admin', groups: [] };
    const info = parseRequest('GET', '/api/v1/pods').info;
    await fc.assert(
      fc.asyncProperty(headers, fc.boolean(), async (given, allowed) => {
        const impersonator = impersonation(() => ({ decision: allowed ? 'allow' : 'noOpinion', reason: '' }));
        try {
          expect((await impersonator.impersonate({ user, headers: given, info })).username).not.toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(StatusError);
        }
      }),
      { numRuns },
    );
  });

  it('bodies', () => {
    fc.assert(
      fc.property(fc.constantFrom(...kinds), contentTypes, fc.constantFrom('Strict' as const, 'Warn' as const, 'Ignore' as const), fc.oneof(bodies.map((text) => Buffer.from(text)), fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.concat([Buffer.from('k8s\0'), bytes]))), (expected, contentType, mode, body) =>
        survives(() => decodeBody(body, { contentType, expected, mode })),
      ),
      { numRuns: numRuns * 2 },
    );
  });

  it('patches', () => {
    const types: PatchType[] = ['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json', 'application/apply-patch+yaml'];
    const text = fc.oneof(bodies, near('[{', '}]', '"op":"add"', '"path":"/data/', 'a"', '"value":', '{}', '"from":"/metadata"', ',', '"op":"copy"', '$patch'));
    const current = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x', uid: 'u' }, data: { a: 'b' } };
    fc.assert(
      fc.property(fc.constantFrom(...types), text, fc.constantFrom('Strict' as const, 'Ignore' as const), (type, body, mode) =>
        survives(() => {
          const read = readPatchBody(Buffer.from(body), type, mode);
          if (type === 'application/apply-patch+yaml') return;
          applyPatch(current, { type, ...read, mode, force: false, options: { dryRun: false, fieldManager: 'x', raw: {} } }, { schema: schemaOf(configMapKind.definition), scope: { warn: () => undefined } });
        }),
      ),
      { numRuns: numRuns * 2 },
    );
  });
});

describe('bodies as big as they may be are answered in time', () => {
  const members = (count: number, make: (i: number) => string): string => Array.from({ length: count }, (_, i) => make(i)).join(',');
  const levels = Array.from({ length: 30 }, (_, i) => `l${i + 1}: [${Array(9).fill(`*l${i}`).join(', ')}]`.replace(': [', `: &l${i + 1} [`));

  it.each<[string, string, string]>([
    ['unknown fields', 'application/json', `{${members(50_000, (i) => `"u${i}":${i}`)}}`],
    ['doubled fields', 'application/json', `{"data":{${members(60_000, (i) => `"u${i % 100}":"${i}"`)}}}`],
    ['owners', 'application/json', `{"metadata":{"ownerReferences":[${members(20_000, (i) => `{"uid":"${i}","name":"x","kind":"y","apiVersion":"v1"}`)}]}}`],
    ['brackets', 'application/json', '['.repeat(1_000_000)],
    ['laughs', 'application/yaml', ['l0: &l0 x', ...levels].join('\n')],
    ['flow brackets', 'application/yaml', `a: ${'['.repeat(6_000)}`],
    ['lines', 'application/yaml', Array.from({ length: 5_000 }, (_, i) => `k${i}: "v"`).join('\n')],
    ['dashes', 'application/yaml', '- '.repeat(5_000)],
  ])('%s', (_name, contentType, text) => {
    const start = performance.now();
    for (const expected of kinds) survives(() => decodeBody(Buffer.from(text), { contentType, expected, mode: 'Warn' }));
    expect(performance.now() - start).toBeLessThan(patienceMs);
  });
});
