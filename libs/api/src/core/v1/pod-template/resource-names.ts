import type { FieldPath } from '../../../validation/field-path.ts';
import { qualifiedName } from '../../../validation/names.ts';

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage']);
/** Objects and ports are counted. */
const countedResources = new Set([
  'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'configmaps', 'persistentvolumeclaims', 'services.nodeports', 'services.loadbalancers',
]);
const quotaResources = new Set([
  'cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.storage', 'requests.ephemeral-storage', 'limits.cpu', 'limits.memory', 'limits.ephemeral-storage', ...countedResources,
]);

export const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const isQuotaHugePages = (name: string): boolean => isHugePages(name) || name.startsWith('requests.hugepages-');
export const isNativeResource = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');
export const isStandardQuotaResource = (name: string): boolean => quotaResources.has(name) || isQuotaHugePages(name);
const isStandardResource = (name: string): boolean => isStandardQuotaResource(name) || name === 'storage';

/** Named by a vendor's domain, e.g. `nvidia.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  return !isNativeResource(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;
}

/** Of which there are no fractions. */
export const isWholeResource = (name: string): boolean => countedResources.has(name) || isExtendedResource(name);

/** May requests and limits differ? */
export const isOvercommitAllowed = (name: string): boolean => isNativeResource(name) && !isHugePages(name);

/** True when the name is fine so far: well formed, and known if it has no domain. */
export function checkResourceName(name: string, at: FieldPath): boolean {
  const before = at.errors.length;
  at.matches(name, qualifiedName);
  if (at.errors.length === before && !name.includes('/') && !isStandardResource(name)) at.invalid(name, 'must be a standard resource type or fully qualified');
  return at.errors.length === before;
}

export function checkContainerResourceName(name: string, at: FieldPath): void {
  checkResourceName(name, at);
  if (!name.includes('/')) {
    if (!containerResources.has(name) && !isHugePages(name)) at.invalid(name, 'must be a standard resource for containers');
  } else if (!isNativeResource(name) && !isExtendedResource(name)) at.invalid(name, "doesn't follow extended resource name standard");
}

export function checkPodResourceName(name: string, at: FieldPath): void {
  if (!checkResourceName(name, at) || name === 'cpu' || name === 'memory' || isHugePages(name)) return;
  at.notSupported(name, ['cpu', 'hugepages-', 'memory']);
}

export function checkQuotaResourceName(name: string, at: FieldPath): void {
  checkResourceName(name, at);
  if (!name.includes('/') && !isStandardQuotaResource(name)) at.invalid(name, 'must be a standard resource for quota');
}
