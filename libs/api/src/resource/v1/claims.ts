import type { ResourceClaimSpec } from '../../../gen/types.ts';
import type { FieldPath } from '../../validation/field-path.ts';
import { checkUniqueLabel } from '../../validation/fields.ts';
import { dns1123Subdomain } from '../../validation/names.ts';

export function defaultClaim(spec: ResourceClaimSpec | undefined): void {
  for (const { exactly, firstAvailable = [] } of spec?.devices?.requests ?? []) {
    for (const request of [...(exactly ? [exactly] : []), ...firstAvailable]) {
      request.allocationMode ||= 'ExactCount';
      if (request.allocationMode === 'ExactCount') request.count ||= 1;
    }
  }
}

function checkRequest(request: { deviceClassName?: string; allocationMode?: string; count?: number }, at: FieldPath): void {
  at.child('deviceClassName').requires(request.deviceClassName, dns1123Subdomain);
  at.child('allocationMode').oneOf(request.allocationMode, ['All', 'ExactCount']);
  const count = request.count ?? 0;
  if (request.allocationMode === 'All' && count !== 0) at.child('count').invalid(count, "must not be specified when allocationMode is 'All'");
  if (request.allocationMode === 'ExactCount' && count <= 0) at.child('count').invalid(count, 'must be greater than zero');
}

const maxRequests = 32;

export function checkClaim(spec: ResourceClaimSpec | undefined, at: FieldPath): void {
  const path = at.child('devices').child('requests');
  const requests = spec?.devices?.requests ?? [];
  if (requests.length > maxRequests) path.tooMany(requests.length, maxRequests);
  const seen = new Set<string>();
  for (const [i, request] of requests.entries()) {
    const item = path.at(i);
    checkUniqueLabel(request.name, { seen, at: item.child('name') });
    const many = (request.firstAvailable ?? []).length > 0;
    if (!request.exactly && !many) item.required('exactly one of `exactly` or `firstAvailable` is required');
    if (request.exactly && many) item.invalid('', 'exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set');
    if (request.exactly) checkRequest(request.exactly, item.child('exactly'));
    for (const [f, first] of (request.firstAvailable ?? []).entries()) checkRequest(first, item.child('firstAvailable').at(f));
  }
}
