import type { ServiceSpec } from '../../../../gen/types.ts';
import { ipFamily, ipProblems, isDualStack } from '../../../validation/addresses.ts';
import type { FieldPath } from '../../../validation/field-path.ts';
import { isHeadless } from './types.ts';

const families = ['IPv4', 'IPv6'];
const policies = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];

/** The older field is the first of the newer one. */
function checkFirst({ clusterIP = '', clusterIPs = [] }: ServiceSpec, at: FieldPath): void {
  if (clusterIP === '') {
    if (clusterIPs.length > 0) at.invalid(clusterIPs, 'must be empty when `clusterIP` is not specified');
  } else if (clusterIPs.length === 0) at.required();
  else if (clusterIPs[0] !== clusterIP) at.invalid(clusterIPs, 'first value must match `clusterIP`');
}

function checkFamilies(spec: ServiceSpec, at: FieldPath): void {
  const seen = new Set<string>();
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    const path = at.child('ipFamilies').at(i);
    if (!families.includes(family)) path.notSupported(family, families);
    if (seen.has(family)) path.duplicate(family);
    seen.add(family);
  }
  const policy = spec.ipFamilyPolicy;
  if (policy !== undefined && !policies.includes(policy)) at.child('ipFamilyPolicy').notSupported(policy, policies);
}

/** True when each is an address, or the only one is None. */
function checkEach(ips: readonly string[], { at, known }: { at: FieldPath; known: readonly string[] | undefined }): boolean {
  const before = at.errors.length;
  for (const [i, ip] of ips.entries()) {
    if (i === 0 && ip === 'None') {
      if (ips.length > 1) at.invalid(ips, "'None' must be the first and only value");
    } else for (const message of ipProblems(ip, known)) at.at(i).invalid(ip, message);
  }
  return at.errors.length === before;
}

/** clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy: how they fit together. */
export function checkClusterIps(spec: ServiceSpec, { at, old }: { at: FieldPath; old: ServiceSpec | undefined }): void {
  if (spec.type === 'ExternalName') return;
  const ips = spec.clusterIPs ?? [];
  const path = at.child('clusterIPs');
  checkFirst(spec, path);
  checkFamilies(spec, at);
  const allValid = checkEach(ips, { at: path, known: old?.clusterIPs });
  if (ips.length > 2) path.invalid(ips, 'may only hold up to 2 values');
  if (!allValid) return;
  if (ips.length > 1 && !isDualStack(ips)) path.invalid(ips, 'may specify no more than one IP for each IP family');
  if (isHeadless(spec)) return;
  for (const [i, ip] of ips.entries()) {
    const family = spec.ipFamilies?.[i];
    const actual = ipFamily(ip) === 6 ? 'IPv6' : 'IPv4';
    if (family && families.includes(family) && family !== actual) path.at(i).invalid(ip, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``);
  }
}
