import type { ResourceRequirements } from '../../../../gen/types.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { nonNegativeMessage } from '../../../validation/fields.ts';
import { qualifiedName } from '../../../validation/names.ts';
import { compareQuantities, isWholeQuantity } from '../../../validation/quantity.ts';

const containerResources = new Set(['cpu', 'memory', 'ephemeral-storage']);
const isHugePages = (name: string): boolean => name.startsWith('hugepages-');
const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');

/** Named by a vendor's domain, e.g. `nvidia.com/gpu`. */
export function isExtendedResource(name: string): boolean {
  return !isNative(name) && !name.startsWith('requests.') && qualifiedName(`requests.${name}`).length === 0;
}

/** May requests and limits differ? */
const isOvercommitAllowed = (name: string): boolean => isNative(name) && !isHugePages(name);

export function checkContainerResourceName(name: string, at: FieldPath): void {
  const before = at.errors.length;
  at.matches(name, qualifiedName);
  if (at.errors.length > before) return;
  if (!name.includes('/')) {
    if (!containerResources.has(name) && !isHugePages(name)) at.invalid(name, 'must be a standard resource for containers');
  } else if (!isNative(name) && !isExtendedResource(name)) at.invalid(name, "doesn't follow extended resource name standard");
}

/** Not negative, and whole where fractions make no sense. */
export function checkResourceQuantity(name: string, quantity: string, at: FieldPath): void {
  if (compareQuantities(quantity, '0') < 0) at.invalid(quantity, nonNegativeMessage);
  if (isExtendedResource(name) && !isWholeQuantity(quantity)) at.invalid(quantity, 'must be an integer');
}

function checkRequest(name: string, { request, limit }: { request: string; limit: string | undefined }, at: FieldPath): void {
  const requests = at.child('requests');
  const path = requests.at(name);
  checkContainerResourceName(name, path);
  checkResourceQuantity(name, request, path);
  if (limit === undefined) {
    if (!isOvercommitAllowed(name)) at.child('limits').required('Limit must be set for non overcommitable resources');
    return;
  }
  const order = compareQuantities(request, limit);
  if (order !== 0 && !isOvercommitAllowed(name)) requests.invalid(request, `must be equal to ${name} limit of ${limit}`);
  else if (order > 0) requests.invalid(request, `must be less than or equal to ${name} limit of ${limit}`);
}

export function checkResources(resources: ResourceRequirements | undefined, { at, claims }: { at: FieldPath; claims: ReadonlySet<string> }): void {
  const { limits = {}, requests = {} } = resources ?? {};
  for (const [name, quantity] of Object.entries(limits)) {
    const path = at.child('limits').at(name);
    checkContainerResourceName(name, path);
    checkResourceQuantity(name, quantity, path);
  }
  for (const [name, request] of Object.entries(requests)) checkRequest(name, { request, limit: limits[name] }, at);
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) at.forbidden('HugePages require cpu or memory');
  for (const [i, claim] of (resources?.claims ?? []).entries()) {
    const path = at.child('claims').at(i);
    if (!claim.name) path.child('name').required();
    else if (!claims.has(claim.name)) path.notFound(claim.name);
  }
}
