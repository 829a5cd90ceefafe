import type { DeviceConstraint, DeviceRequest, DeviceSubRequest, DeviceToleration, ExactDeviceRequest, ResourceClaimSpec } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkItems, checkSet } from '../../validation/lists.ts';
import { dns1123Subdomain } from '../../validation/names.ts';
import { checkConfiguration } from './configuration.ts';
import { checkFullyQualifiedName, checkLabelName, checkQualifiedName } from './names.ts';
import { checkSelectors } from './selectors.ts';
import { checkDeviceTolerations } from './taints.ts';

const maxItems = 32;
const maxAlternatives = 8;

export function defaultTolerations(tolerations: readonly DeviceToleration[] | undefined): void {
  for (const toleration of tolerations ?? []) toleration.operator ||= 'Equal';
}

export function defaultClaim(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    for (const request of [...(exactly ? [exactly] : []), ...firstAvailable]) {
      request.allocationMode ||= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ||= 1;
      defaultTolerations(request.tolerations);
    }
  }
}

/** The names that constraints, configuration and results may refer to: requests, and with a slash their alternatives. */
export function requestNames(spec: ResourceClaimSpec | undefined): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { name, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    names.add(name);
    for (const alternative of firstAvailable) names.add(`${name}/${alternative.name}`);
  }
  return names;
}

const badReference = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

export function checkRequestReference(name: string, { at, names }: { at: FieldPath; names: ReadonlySet<string> }): void {
  const segments = name.split('/');
  if (segments.length > 2) return at.invalid(name, badReference);
  for (const segment of segments) checkLabelName(segment, at);
  if (!names.has(name)) at.invalid(name, badReference);
}

export function checkRequestReferences(requests: readonly string[] | undefined, { at, names }: { at: FieldPath; names: ReadonlySet<string> }): void {
  checkSet(requests, { at, max: maxItems, key: (name) => name }, (name, item) => checkRequestReference(name, { at: item, names }));
}

function checkWanted(request: ExactDeviceRequest | DeviceSubRequest, at: FieldPath): void {
  at.child('deviceClassName').requires(request.deviceClassName, dns1123Subdomain);
  checkSelectors(request.selectors, { at: at.child('selectors') });
  const { allocationMode = '', count = 0 } = request;
  if (allocationMode === 'All') {
    if (count !== 0) at.child('count').invalid(count, "must not be specified when allocationMode is 'All'");
  } else if (allocationMode === 'ExactCount') {
    if (count <= 0) at.child('count').invalid(count, 'must be greater than zero');
  } else at.child('allocationMode').notSupported(allocationMode, ['All', 'ExactCount']);
  checkDeviceTolerations(request.tolerations, at.child('tolerations'));
  for (const name of Object.keys(request.capacity?.requests ?? {})) checkQualifiedName(name, at.child('capacity').child('requests'));
}

function checkRequest({ name, exactly, firstAvailable = [] }: DeviceRequest, at: FieldPath): void {
  checkLabelName(name, at.child('name'));
  const choice = 'exactly one of `exactly` or `firstAvailable` is required';
  if (!exactly && firstAvailable.length === 0) return at.required(choice);
  if (exactly && firstAvailable.length > 0) return at.invalid(null, `${choice}, but multiple fields are set`);
  if (exactly) return checkWanted(exactly, at.child('exactly'));
  checkSet(firstAvailable, { at: at.child('firstAvailable'), max: maxAlternatives, key: (one) => one.name }, (alternative, item) => {
    checkLabelName(alternative.name, item.child('name'));
    checkWanted(alternative, item);
  });
}

function checkConstraint({ requests, matchAttribute, distinctAttribute }: DeviceConstraint, { at, names }: { at: FieldPath; names: ReadonlySet<string> }): void {
  checkRequestReferences(requests, { at: at.child('requests'), names });
  if (matchAttribute !== undefined) checkFullyQualifiedName(matchAttribute, at.child('matchAttribute'));
  else if (distinctAttribute !== undefined) checkFullyQualifiedName(distinctAttribute, at.child('distinctAttribute'));
  // Upstream words it like this though no field is set.
  else at.required('exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set');
}

export function checkClaim(spec: ResourceClaimSpec | undefined, at: FieldPath): void {
  const path = at.child('devices');
  const names = requestNames(spec);
  const { requests, constraints, config } = spec?.devices ?? {};
  checkSet(requests, { at: path.child('requests'), max: maxItems, key: (one) => one.name }, checkRequest);
  checkItems(constraints, { at: path.child('constraints'), max: maxItems }, (constraint, item) => checkConstraint(constraint, { at: item, names }));
  checkItems(config, { at: path.child('config'), max: maxItems }, (one, item) => {
    checkRequestReferences(one.requests, { at: item.child('requests'), names });
    checkConfiguration(one, { at: item });
  });
}
