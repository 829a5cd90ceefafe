import type { EnvFromSource, EnvVar, ObjectFieldSelector, ResourceFieldSelector } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { annotationKey, configMapKey, dns1123Label, dns1123Subdomain, envVarName, qualifiedName } from '../../../validation/names.ts';
import { checkNoBacksteps } from './path-validation.ts';
import { compareQuantities } from '../../../validation/quantity.ts';

const envFieldPaths = [
  'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName', 'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs',
];
export const volumeFieldPaths: readonly string[] = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];

const envResources = [
  'limits.cpu', 'limits.ephemeral-storage', 'limits.memory', 'requests.cpu', 'requests.ephemeral-storage', 'requests.memory',
];
const hugePages = /^(limits|requests)\.hugepages-/;

/** Every field path that pods know; others cannot even be converted. */
const knownFieldPaths = new Set([...envFieldPaths, ...volumeFieldPaths, 'spec.host', 'spec.restartPolicy', 'spec.schedulerName', 'status.phase']);

export function checkFieldRef(ref: ObjectFieldSelector, { at, allowed }: { at: FieldPath; allowed: readonly string[] }): void {
  if (!ref.apiVersion) return at.child('apiVersion').required();
  if (!ref.fieldPath) return at.child('fieldPath').required();
  const path = at.child('fieldPath');
  const unknown = (why: string): void => path.invalid(ref.fieldPath, `error converting fieldPath: ${why}`);
  if (ref.apiVersion !== 'v1') return unknown(`unsupported pod version: ${ref.apiVersion}`);
  const subscript = ref.fieldPath.indexOf("['");
  if (subscript > 0 && ref.fieldPath.length >= subscript + 4 && ref.fieldPath.endsWith("']")) {
    const [owner, key] = [ref.fieldPath.slice(0, subscript), ref.fieldPath.slice(subscript + 2, -2)];
    if (owner === 'metadata.annotations') return at.matches(key, annotationKey);
    if (owner === 'metadata.labels') return at.matches(key, qualifiedName);
    return unknown(`field label does not support subscript: ${ref.fieldPath}`);
  }
  if (!knownFieldPaths.has(ref.fieldPath)) return unknown(`field label not supported: ${ref.fieldPath}`);
  // The older name of the same field.
  const known = ref.fieldPath === 'spec.host' ? 'spec.nodeName' : ref.fieldPath;
  if (!allowed.includes(known)) path.notSupported(known, allowed);
}

const byteDivisors = new Set(['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']);
const listedBytes = [...byteDivisors].join(', ');

/** How messages call a resource, and the divisors that it takes; undefined: any. */
function divisorsOf(resource: string): { name: string; allowed: ReadonlySet<string>; listed: string } | undefined {
  const [, name = ''] = resource.split('.', 2);
  if (hugePages.test(resource)) return { name: 'hugepages', allowed: byteDivisors, listed: listedBytes };
  if (!envResources.includes(resource)) return undefined;
  if (name === 'cpu') return { name, allowed: new Set(['1m', '1']), listed: '1m and 1' };
  return { name: name === 'memory' ? name : 'local ephemeral storage', allowed: byteDivisors, listed: listedBytes };
}

function checkDivisor({ resource, divisor }: ResourceFieldSelector, at: FieldPath): void {
  if (divisor === undefined || compareQuantities(divisor, '0') === 0) return;
  const divisors = divisorsOf(resource ?? '');
  if (!divisors || divisors.allowed.has(divisor)) return;
  at.child('divisor').invalid(resource, `only divisor's values ${divisors.listed} are supported with the ${divisors.name} resource`);
}

export function checkResourceFieldRef(ref: ResourceFieldSelector, { at, isVolume }: { at: FieldPath; isVolume: boolean }): void {
  if (isVolume && !ref.containerName) at.child('containerName').required();
  else if (!ref.resource) at.child('resource').required();
  else if (!envResources.includes(ref.resource) && !hugePages.test(ref.resource)) at.child('resource').notSupported(ref.resource, envResources);
  checkDivisor(ref, at);
}

function checkKeyRef(ref: { name?: string; key: string }, at: FieldPath): void {
  at.child('name').matches(ref.name, dns1123Subdomain);
  at.child('key').requires(ref.key, configMapKey);
}

const oneSourceMessage = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';

function checkValueFrom(env: EnvVar, at: FieldPath): void {
  const from = env.valueFrom;
  if (!from) return;
  let count = 0;
  if (from.fieldRef && ++count) checkFieldRef(from.fieldRef, { at: at.child('fieldRef'), allowed: envFieldPaths });
  if (from.resourceFieldRef && ++count) checkResourceFieldRef(from.resourceFieldRef, { at: at.child('resourceFieldRef'), isVolume: false });
  if (from.configMapKeyRef && ++count) checkKeyRef(from.configMapKeyRef, at.child('configMapKeyRef'));
  if (from.secretKeyRef && ++count) checkKeyRef(from.secretKeyRef, at.child('secretKeyRef'));
  if (from.fileKeyRef && ++count) {
    const path = at.child('fileKeyRef');
    path.child('key').requires(from.fileKeyRef.key, envVarName);
    path.child('volumeName').requires(from.fileKeyRef.volumeName, dns1123Label);
    if (!from.fileKeyRef.path) path.child('path').required();
    else checkNoBacksteps(from.fileKeyRef.path, path.child('path'));
  }
  if (count === 0) at.invalid('', oneSourceMessage);
  else if (env.value) at.invalid('', 'may not be specified when `value` is not empty');
  else if (count > 1) at.invalid('', 'may not have more than one field specified at a time');
}

export function checkEnv(vars: readonly EnvVar[] | undefined, at: FieldPath): void {
  for (const [i, env] of indexed(vars)) {
    const item = at.at(i);
    item.child('name').requires(env.name, envVarName);
    checkValueFrom(env, item.child('valueFrom'));
  }
}

export function checkEnvFrom(sources: readonly EnvFromSource[] | undefined, at: FieldPath): void {
  for (const [i, source] of indexed(sources)) {
    const item = at.at(i);
    if (source.prefix) item.child('prefix').matches(source.prefix, envVarName);
    if (source.configMapRef) item.child('configMapRef').child('name').requires(source.configMapRef.name, dns1123Subdomain);
    if (source.secretRef) item.child('secretRef').child('name').requires(source.secretRef.name, dns1123Subdomain);
    if (!source.configMapRef && !source.secretRef) at.invalid('', 'must specify one of: `configMapRef` or `secretRef`');
    if (source.configMapRef && source.secretRef) at.invalid('', 'may not have more than one field specified at a time');
  }
}
