import type { EnvFromSource, EnvVar, ObjectFieldSelector, ResourceFieldSelector } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { annotationKey, configMapKey, dns1123Subdomain, envVarName, qualifiedName } from '../../../validation/names.ts';

const envFieldPaths = [
  'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName', 'status.hostIP', 'status.hostIPs', 'status.podIP', 'status.podIPs',
];
export const volumeFieldPaths: readonly string[] = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'];

const envResources = [
  'limits.cpu', 'limits.ephemeral-storage', 'limits.memory', 'requests.cpu', 'requests.ephemeral-storage', 'requests.memory',
];
const hugePages = /^(limits|requests)\.hugepages-/;

/** Every field path that pods know; others cannot even be converted. */
const knownFieldPaths = new Set([...envFieldPaths, ...volumeFieldPaths, 'spec.restartPolicy', 'spec.schedulerName', 'status.phase']);

export function checkFieldRef(ref: ObjectFieldSelector, { at, allowed }: { at: FieldPath; allowed: readonly string[] }): void {
  if (!ref.apiVersion) return at.child('apiVersion').required();
  if (!ref.fieldPath) return at.child('fieldPath').required();
  const path = at.child('fieldPath');
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(ref.fieldPath);
  if (subscript) {
    const rule = subscript[1] === 'metadata.labels' ? qualifiedName : annotationKey;
    return path.matches(subscript[2], rule);
  }
  if (!knownFieldPaths.has(ref.fieldPath)) {
    return path.invalid(ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`);
  }
  if (!allowed.includes(ref.fieldPath)) path.notSupported(ref.fieldPath, allowed);
}

const cpuDivisors = new Set(['0', '1m', '1']);
const byteDivisors = new Set(['0', '1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei']);

export function checkResourceFieldRef(ref: ResourceFieldSelector, { at, isVolume }: { at: FieldPath; isVolume: boolean }): void {
  if (isVolume && !ref.containerName) return at.child('containerName').required();
  if (!ref.resource) return at.child('resource').required();
  if (!envResources.includes(ref.resource) && !hugePages.test(ref.resource)) return at.child('resource').notSupported(ref.resource, envResources);
  const divisor = ref.divisor ?? '0';
  const [, resource = ''] = ref.resource.split('.', 2);
  const path = at.child('divisor');
  if (resource === 'cpu' && !cpuDivisors.has(divisor)) path.invalid(divisor, "only divisor's values 1m and 1 are supported with the cpu resource");
  else if (resource !== 'cpu' && !byteDivisors.has(divisor)) {
    path.invalid(divisor, `only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the ${resource} resource`);
  }
}

function checkKeyRef(ref: { name?: string; key: string }, at: FieldPath): void {
  if (!ref.name) at.child('name').required();
  at.child('key').requires(ref.key, configMapKey);
}

const oneSourceMessage = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';

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
    if (!from.fileKeyRef.volumeName) path.child('volumeName').required();
    if (!from.fileKeyRef.path) path.child('path').required();
    path.child('key').requires(from.fileKeyRef.key, envVarName);
  }
  if (count === 0) at.invalid('', oneSourceMessage);
  else if (env.value) at.invalid('', 'may not be specified when `value` is not empty');
  else if (count > 1) at.invalid('', 'may not have more than one field specified at a time');
}

export function checkEnv(vars: readonly EnvVar[] | undefined, at: FieldPath): void {
  for (const [i, env] of (vars ?? []).entries()) {
    const item = at.at(i);
    item.child('name').requires(env.name, envVarName);
    checkValueFrom(env, item.child('valueFrom'));
  }
}

export function checkEnvFrom(sources: readonly EnvFromSource[] | undefined, at: FieldPath): void {
  for (const [i, source] of (sources ?? []).entries()) {
    const item = at.at(i);
    if (source.prefix) item.child('prefix').matches(source.prefix, envVarName);
    if (source.configMapRef) item.child('configMapRef').child('name').requires(source.configMapRef.name, dns1123Subdomain);
    if (source.secretRef) item.child('secretRef').child('name').requires(source.secretRef.name, dns1123Subdomain);
    if (!source.configMapRef && !source.secretRef) item.invalid('', 'must specify one of: `configMapRef` or `secretRef`');
    if (source.configMapRef && source.secretRef) item.invalid('', 'may not have more than one field specified at a time');
  }
}
