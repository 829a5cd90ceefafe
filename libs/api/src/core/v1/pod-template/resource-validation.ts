import { quantityValue, tryParseQuantity } from '@orrery/apimachinery';
import type { PodSpec, ResourceRequirements } from '../../../../gen/types.ts';
import { type FieldPath, indexed } from '../../../validation/field-path.ts';
import { nonNegativeMessage } from '../../../validation/fields.ts';
import { dns1123Label } from '../../../validation/names.ts';
import { compareQuantities, isWholeQuantity } from '../../../validation/quantity.ts';
import { aggregate } from './pod-resources.ts';
import { checkContainerResourceName, checkPodResourceName, isHugePages, isOvercommitAllowed, isWholeResource } from './resource-names.ts';

export { isExtendedResource } from './resource-names.ts';

/** Not negative, and whole where fractions make no sense. */
export function checkResourceQuantity(name: string, quantity: string, at: FieldPath): void {
  if (compareQuantities(quantity, '0') < 0) at.invalid(quantity, nonNegativeMessage);
  if (isWholeResource(name) && !isWholeQuantity(quantity)) at.invalid(quantity, 'must be an integer');
}

/** A multiple of the page size that the name tells. */
function checkPages(name: string, quantity: string, at: FieldPath): void {
  const size = tryParseQuantity(name.slice('hugepages-'.length));
  const amount = tryParseQuantity(quantity);
  if (!amount) return;
  const bytes = size ? quantityValue(size) : 0;
  if (bytes > 0 && isWholeQuantity(name.slice('hugepages-'.length)) && quantityValue(amount) % bytes === 0) return;
  at.invalid(quantity, `${quantity} is not positive integer multiple of ${name}`);
}

type NameCheck = (name: string, at: FieldPath) => void;

function checkRequest(name: string, { request, limit }: { request: string; limit: string | undefined }, at: FieldPath): void {
  const requests = at.child('requests');
  if (limit === undefined) {
    if (!isOvercommitAllowed(name)) at.child('limits').required('Limit must be set for non overcommitable resources');
    return;
  }
  const order = compareQuantities(request, limit);
  if (order !== 0 && !isOvercommitAllowed(name)) requests.invalid(request, `must be equal to ${name} limit of ${limit}`);
  else if (order > 0) requests.invalid(request, `must be less than or equal to ${name} limit of ${limit}`);
}

/** Each entry may be named once, as a whole or by its requests. */
function checkClaims(resources: ResourceRequirements, { at, known }: { at: FieldPath; known: ReadonlySet<string> }): void {
  const seen = new Set<string>();
  for (const [i, { name = '', request = '' }] of indexed(resources.claims)) {
    const path = at.at(i);
    if (!name) {
      path.required();
      continue;
    }
    const key = request ? `${name}/${request}` : name;
    if (seen.has(name)) path.duplicate(name);
    else {
      if (request) path.child('request').matches(request, dns1123Label);
      if (seen.has(key)) path.duplicate(key);
      else if (!request) for (const other of seen) if (other.startsWith(`${name}/`)) path.duplicate(name);
      seen.add(key);
    }
    if (known.has(name)) continue;
    const names = known.size === 0 ? ' which is empty' : `: ${[...known].sort().join(', ')}`;
    path.notFound(name, `must be one of the names in pod.spec.resourceClaims${names}`);
  }
}

function checkRequirements(resources: ResourceRequirements, { at, claims, checkName }: { at: FieldPath; claims: ReadonlySet<string>; checkName: NameCheck }): void {
  const { limits = {}, requests = {} } = resources;
  for (const [list, amounts] of [['limits', limits], ['requests', requests]] as const) {
    for (const [name, quantity] of Object.entries(amounts)) {
      const path = at.child(list).at(name);
      checkName(name, path);
      checkResourceQuantity(name, quantity, path);
      if (list === 'requests') checkRequest(name, { request: quantity, limit: limits[name] }, at);
      if (isHugePages(name)) checkPages(name, quantity, path);
    }
  }
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes('cpu') && !names.includes('memory')) at.forbidden('HugePages require cpu or memory');
  checkClaims(resources, { at: at.child('claims'), known: claims });
}

export function checkResources(resources: ResourceRequirements | undefined, { at, claims }: { at: FieldPath; claims: ReadonlySet<string> }): void {
  if (resources) checkRequirements(resources, { at, claims, checkName: checkContainerResourceName });
}

/** What containers need together must fit into what the pod asks for, and what each may take into the pod's limits. */
function checkConsistency(spec: PodSpec, at: FieldPath): void {
  const { requests = {}, limits = {} } = spec.resources ?? {};
  for (const [name, needed] of Object.entries(aggregate(spec, 'requests'))) {
    const asked = requests[name];
    if (asked !== undefined && compareQuantities(needed, asked) > 0) {
      at.child('requests').at(name).invalid(asked, `must be greater than or equal to aggregate container requests of ${needed}`);
    }
  }
  for (const [name, needed] of Object.entries(aggregate(spec, 'limits'))) {
    const limit = limits[name];
    if (isHugePages(name) && limit !== undefined && compareQuantities(needed, limit) > 0) {
      at.child('limits').at(name).invalid(limit, `must be greater than or equal to aggregate container limits of ${needed}`);
    }
  }
  for (const [i, container] of indexed(spec.containers)) {
    for (const [name, own] of Object.entries(container.resources?.limits ?? {})) {
      const limit = limits[name];
      if (limit === undefined || compareQuantities(own, limit) <= 0) continue;
      at.child('containers').at(i).at(name).child('limits').invalid(own, `must be less than or equal to pod limits of ${limit}`);
    }
  }
}

/** Resources of the pod as a whole. */
export function checkPodResources(spec: PodSpec, { at, claims }: { at: FieldPath; claims: ReadonlySet<string> }): void {
  const { resources } = spec;
  if (!resources) return;
  if (spec.os?.name === 'windows') return at.forbidden('may not be set for a windows pod');
  if (resources.claims) at.child('claims').forbidden('claims may not be set for Resources at pod-level');
  checkRequirements(resources, { at, claims, checkName: checkPodResourceName });
  checkConsistency(spec, at);
}
