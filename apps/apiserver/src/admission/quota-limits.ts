import type { ResourceQuota } from '@orrery/api/types';
import { type Amounts, type ScopeTerm, matchingScopes, scopeTerms } from '@orrery/api/quota';
import { isRecord } from '@orrery/apimachinery';
import { ConfigError } from '@orrery/runtime';
import type { AdmissionAttributes } from '../pipeline/index.ts';

/** What nobody may use unless some quota of his namespace speaks of it. */
export interface LimitedResource {
  readonly apiGroup: string;
  readonly resource: string;
  /** Parts of the names of amounts: `requests.storage`, `.storageclass.storage.k8s.io/`. */
  readonly matchContains: readonly string[];
  readonly matchScopes: readonly ScopeTerm[];
}

const versions = ['apiserver.config.k8s.io/v1', 'resourcequota.admission.k8s.io/v1beta1', 'resourcequota.admission.k8s.io/v1alpha1'];
const texts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : []);

function limitedResource(value: unknown, i: number): LimitedResource {
  const { apiGroup, resource, matchContains, matchScopes } = isRecord(value) ? value : {};
  if (typeof resource !== 'string' || resource === '') throw new ConfigError(`ResourceQuota: limitedResources[${i}].resource: Required value`);
  const scopes = Array.isArray(matchScopes) ? (matchScopes.filter(isRecord) as ScopeTerm[]) : [];
  return { apiGroup: typeof apiGroup === 'string' ? apiGroup : '', resource, matchContains: texts(matchContains), matchScopes: scopes };
}

/** Settings of the plug-in from an AdmissionConfiguration. Throws ConfigError for what is none. */
export function quotaLimits(configuration: unknown): LimitedResource[] {
  if (configuration === undefined) return [];
  const { apiVersion, kind, limitedResources = [] } = isRecord(configuration) ? configuration : {};
  const isKnown = versions.includes(String(apiVersion)) && (kind === 'ResourceQuotaConfiguration' || kind === 'Configuration');
  if (!isKnown) throw new ConfigError(`ResourceQuota: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`);
  if (!Array.isArray(limitedResources)) throw new ConfigError('ResourceQuota: limitedResources must be a list');
  return limitedResources.map(limitedResource);
}

/** As Go prints a requirement. */
const shown = ({ scopeName = '', operator = '', values = [] }: ScopeTerm): string => `{${scopeName} ${operator} [${values.join(' ')}]}`;

/** What the write takes that is limited, and no quota covers. */
export interface Uncovered {
  /** Names of amounts, in order. */
  readonly names: readonly string[];
  /** Scopes as errors show them; undefined: none. */
  readonly scopes: string | undefined;
}

/** Holds a write that takes `usage` against the limits. Of `quotas`, `applying` are those that count the object. */
export function uncovered(limits: readonly LimitedResource[], attributes: AdmissionAttributes, about: { usage: Amounts; quotas: readonly ResourceQuota[]; applying: readonly ResourceQuota[] }): Uncovered {
  const { kind, object } = attributes;
  const { usage, quotas, applying } = about;
  const own = limits.filter(({ apiGroup, resource }) => apiGroup === kind.group && resource === kind.resource);
  const covered = new Set(applying.flatMap(({ status }) => Object.keys(status?.hard ?? {})));
  const isLimited = (name: string): boolean => own.some(({ matchContains }) => matchContains.some((part) => name.includes(part)));
  const names = Object.keys(usage).filter((name) => (usage[name]?.nanos ?? 0n) > 0n && isLimited(name) && !covered.has(name)).sort();
  const spokenOf = new Set(quotas.flatMap((quota) => matchingScopes(scopeTerms(quota), kind, object)).map(({ scopeName }) => scopeName));
  const scopes = limits.flatMap(({ matchScopes }) => matchingScopes(matchScopes, kind, object)).filter(({ scopeName }) => !spokenOf.has(scopeName));
  return { names, scopes: scopes.length ? `[${scopes.map(shown).join(' ')}]` : undefined };
}
