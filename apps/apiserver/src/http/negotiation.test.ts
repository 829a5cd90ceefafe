import { expect, it } from 'vitest';
import { negotiate, negotiateFailure } from './negotiation.ts';

const builtIn = { pretty: false, transforms: true, protobuf: true };
const custom = { ...builtIn, protobuf: false };
const json = 'application/json';
const protobuf = 'application/vnd.kubernetes.protobuf';
const as = (kind: string, v = 'v1'): string => `;as=${kind};v=${v};g=meta.k8s.io`;
const only = 'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf';

it.each([
  [undefined, 'json', undefined],
  ['*/*', 'json', undefined],
  ['application/*', 'json', undefined],
  [`${json}${as('Table')},${json}`, 'json', 'Table'],
  [`${json}${as('Table', 'v1beta1')}`, 'json', 'Table'],
  [`application/yaml${as('Table')}`, 'yaml', 'Table'],
  [`${json};as=Other;v=v1;g=meta.k8s.io,${json}`, 'json', undefined],
  [`${protobuf},${json}`, 'protobuf', undefined],
  [`${json},${protobuf}`, 'json', undefined],
  [`${protobuf}, */*`, 'protobuf', undefined],
  [`*/*,${protobuf}`, 'protobuf', undefined],
  [`${protobuf}${as('Table')},${json}${as('Table')}`, 'json', 'Table'],
  [`${protobuf}${as('PartialObjectMetadataList')},${json}${as('PartialObjectMetadataList')},${json}`, 'protobuf', 'PartialObjectMetadataList'],
  ['application/yaml', 'yaml', undefined],
  [`${json};q=0.5,application/yaml;q=0.9`, 'yaml', undefined],
  [`${protobuf};stream=watch`, 'protobuf', undefined],
] as const)('Accept %s', (accept, encoding, transform) => {
  expect(negotiate(accept, builtIn)).toMatchObject({ encoding, as: transform });
});

it.each([
  [`${protobuf},${json}`, 'json', undefined],
  [`${protobuf}${as('PartialObjectMetadata')},${json}`, 'protobuf', 'PartialObjectMetadata'],
] as const)('custom resources: Accept %s', (accept, encoding, transform) => {
  expect(negotiate(accept, custom)).toMatchObject({ encoding, as: transform });
});

it.each([
  ['text/csv', builtIn, only],
  [protobuf, custom, only],
  [`${json}${as('Table', 'v2')}`, builtIn, only],
  [`${json};stream=other`, builtIn, only],
  [`${json}${as('Table')}`, { ...builtIn, tables: false }, only],
  ['application/yaml', { ...builtIn, stream: true }, 'only the following media types are accepted: application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch'],
] as const)('refuses %s', (accept, offer, message) => {
  expect(() => negotiate(accept, offer)).toThrow(message);
});

it.each([
  [undefined, 'json'],
  ['text/csv', 'json'],
  [`${json}${as('Table')}`, 'json'],
  [`${protobuf},${json}`, 'protobuf'],
] as const)('a failure for %s is %s', (accept, encoding) => {
  expect(negotiateFailure(accept, false)).toMatchObject({ encoding, as: undefined });
});
