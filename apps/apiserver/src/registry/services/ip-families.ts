import type { Service, ServiceSpec } from '@orrery/api/types';
import { deepEqual } from '@orrery/apimachinery';
import { type FieldError, fieldError } from '@orrery/errors';
import { type Family, familyOf } from './ip-range.ts';

const policyPath = 'spec.ipFamilyPolicy';
const otherOf = (family: string | undefined): Family => (family === 'IPv6' ? 'IPv4' : 'IPv6');

/** A service that takes two families where there are two is not changed by a cluster that gains or loses one. */
function isUntouchedPreference(spec: ServiceSpec, old: ServiceSpec | undefined): boolean {
  if (!old || spec.type !== old.type || spec.ipFamilyPolicy !== 'PreferDualStack' || (old.ipFamilyPolicy ?? 'PreferDualStack') !== 'PreferDualStack') return false;
  return deepEqual(spec.clusterIPs ?? [], old.clusterIPs ?? []) && deepEqual(spec.ipFamilies ?? [], old.ipFamilies ?? []);
}

function defaultPolicy(spec: ServiceSpec, old: ServiceSpec | undefined): string {
  if (old?.ipFamilyPolicy) return old.ipFamilyPolicy;
  const isBare = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  return isBare ? 'RequireDualStack' : 'SingleStack';
}

/** With a single family the second address goes; it does not go without being told. */
function release(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  const fewer = (list: 'clusterIPs' | 'ipFamilies'): boolean => (spec[list]?.length ?? 0) > 0 && (spec[list]?.length ?? 0) < (old[list]?.length ?? 0);
  if (spec.ipFamilyPolicy === 'SingleStack') {
    for (const list of ['clusterIPs', 'ipFamilies'] as const) {
      if ((spec[list]?.length ?? 0) > 1 && deepEqual(spec[list], old[list])) spec[list] = spec[list]?.slice(0, 1);
    }
    return [];
  }
  const refuse = (what: string): FieldError => fieldError.invalid(policyPath, spec.ipFamilyPolicy, `must be 'SingleStack' to release the secondary ${what}`);
  return [...(fewer('clusterIPs') ? [refuse('cluster IP')] : []), ...(fewer('ipFamilies') ? [refuse('IP family')] : [])];
}

function multipleOfSingle(spec: ServiceSpec): FieldError[] {
  if (spec.ipFamilyPolicy !== 'SingleStack') return [];
  const refuse = (what: string): FieldError => fieldError.invalid(policyPath, spec.ipFamilyPolicy, `must be 'RequireDualStack' or 'PreferDualStack' when multiple ${what} are specified`);
  return [...(spec.clusterIPs?.length === 2 ? [refuse('cluster IPs')] : []), ...(spec.ipFamilies?.length === 2 ? [refuse('IP families')] : [])];
}

/** Families of addresses that the client chose. */
function inferFamilies(spec: ServiceSpec, families: readonly Family[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip === 'None') break;
    const family = familyOf(ip);
    if (i < (spec.ipFamilies?.length ?? 0)) continue;
    if (families.includes(family)) spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
    else errors.push(fieldError.invalid(`spec.clusterIPs[${i}]`, spec.clusterIPs, `${family} is not configured on this cluster`));
  }
  return errors;
}

function notConfigured(spec: ServiceSpec, families: readonly Family[]): FieldError[] {
  const lacks = spec.ipFamilyPolicy === 'RequireDualStack' && families.length < 2;
  return [
    ...(lacks ? [fieldError.invalid(policyPath, spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services')] : []),
    ...(spec.ipFamilies ?? []).flatMap((family, i) => (families.includes(family as Family) ? [] : [fieldError.invalid(`spec.ipFamilies[${i}]`, family, 'not configured on this cluster')])),
  ];
}

/** What may not change once there are addresses. */
function changedFamilies(spec: ServiceSpec, old: ServiceSpec): FieldError[] {
  const headless = ({ clusterIPs }: ServiceSpec): boolean => clusterIPs?.[0] === 'None';
  if (old.type === 'ExternalName' || headless(spec) || headless(old)) return [];
  const before = old.ipFamilies ?? [];
  const after = spec.ipFamilies ?? [];
  const compared = before.length === after.length ? before.length : 1;
  const changed = before.slice(0, compared).some((family, i) => after[i] !== undefined && after[i] !== family);
  return changed ? [fieldError.invalid('spec.ipFamilies[0]', after, 'may not change once set')] : [];
}

/**
 * Completes ipFamilyPolicy and ipFamilies from what the service says, what it had, and the families of the cluster (its
 * own first). Returns why it cannot be.
 */
export function settleFamilies({ spec }: Service, { old, families }: { old: ServiceSpec | undefined; families: readonly Family[] }): FieldError[] {
  if (!spec || spec.type === 'ExternalName' || isUntouchedPreference(spec, old)) return [];
  spec.ipFamilyPolicy ??= defaultPolicy(spec, old);
  const errors = [...(old ? release(spec, old) : []), ...multipleOfSingle(spec), ...inferFamilies(spec, families)];
  if (errors.length > 0) return errors;
  const isBare = spec.clusterIP === 'None' && Object.keys(spec.selector ?? {}).length === 0;
  const misfits = isBare ? [] : notConfigured(spec, families);
  if (misfits.length > 0) return misfits;
  const chosen = spec.ipFamilies?.length ? spec.ipFamilies : [families[0] ?? 'IPv4'];
  const wantsBoth = spec.ipFamilyPolicy !== 'SingleStack' && (isBare || families.length === 2);
  spec.ipFamilies = wantsBoth && chosen.length === 1 ? [...chosen, otherOf(chosen[0])] : [...chosen];
  return old ? changedFamilies(spec, old) : [];
}
