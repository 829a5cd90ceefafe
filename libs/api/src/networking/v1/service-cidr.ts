import type { ServiceCIDR } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { cidrMessage, parseCidr } from '../../validation/addresses.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';

function checkCidrs({ spec }: ServiceCIDR, at: FieldPath): void {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) at.required('at least one CIDR required');
  if (cidrs.length > 2) at.invalid(cidrs, 'may only hold up to 2 values');
  for (const [i, cidr] of cidrs.entries()) if (!parseCidr(cidr)) at.at(i).invalid(cidr, cidrMessage);
  const [first, second] = cidrs.map(parseCidr);
  if (first && second && first.family === second.family) at.invalid(cidrs, `may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64`);
}

export const serviceCidrKind = defineKind<ServiceCIDR>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'ServiceCIDR',
  resource: 'servicecidrs',
  namespaced: false,
  hasStatus: true,
  validate: (object) => findProblems((root) => checkCidrs(object, root.child('spec').child('cidrs'))),
  validateUpdate: (object, old) => findProblems((root) => checkImmutable({ value: object.spec?.cidrs, old: old.spec?.cidrs }, root.child('spec').child('cidrs').at(0))),
  columns: [nameColumn, text('CIDRs', ({ spec }) => (spec?.cidrs ?? []).join(',')), ageColumn],
});
