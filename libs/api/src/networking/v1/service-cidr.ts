import type { ServiceCIDR } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { parseCidr } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { canonicalCidr } from './canonical.ts';

function checkCidrs({ spec }: ServiceCIDR, at: FieldPath): void {
  const cidrs = spec?.cidrs ?? [];
  const shown = { CIDRs: cidrs };
  if (cidrs.length === 0) return at.required('at least one CIDR required');
  if (cidrs.length > 2) return at.invalid(shown, 'may only hold up to 2 values');
  const [first, second] = cidrs.map(parseCidr);
  const isDual = first && second && first.family !== second.family;
  if (cidrs.length === 2 && !isDual) return at.invalid(shown, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64');
  for (const [i, cidr] of cidrs.entries()) at.at(i).matches(cidr, canonicalCidr);
}

/** One family may get the other beside it; else nothing changes. */
function checkChange(object: ServiceCIDR, { at, old }: { at: FieldPath; old: ServiceCIDR }): void {
  const now = object.spec?.cidrs ?? [];
  const before = old.spec?.cidrs ?? [];
  const isGrowing = before.length === 1 && now.length === 2;
  if (now.length !== before.length && !isGrowing) return checkImmutable({ value: now, old: before }, at);
  for (const [i, cidr] of before.entries()) checkImmutable({ value: now[i], old: cidr }, at.at(i));
  if (isGrowing) checkCidrs(object, at);
}

export const serviceCidrKind = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  resource: 'servicecidrs',
  namespaced: false,
  hasStatus: true,
  validate: (object) => findProblems((root) => checkCidrs(object, root.child('spec').child('cidrs'))),
  validateUpdate: (object, old) => findProblems((root) => checkChange(object, { at: root.child('spec').child('cidrs'), old })),
  columns: [nameColumn, text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn],
});
