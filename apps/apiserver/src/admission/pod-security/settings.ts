import { isRecord } from '@orrery/apimachinery';
import { ConfigError } from '@orrery/runtime';
import { type Defaults, type LevelVersion, type Mode, isLevel, isVersion, modes, noDefaults } from './policy.ts';

/** What a PodSecurityConfiguration says: levels where labels say nothing, and who is left alone. */
export interface PodSecuritySettings {
  readonly defaults: Defaults;
  readonly exempt: { readonly namespaces: readonly string[]; readonly usernames: readonly string[]; readonly runtimeClasses: readonly string[] };
}

export const defaultSettings: PodSecuritySettings = { defaults: noDefaults, exempt: { namespaces: [], usernames: [], runtimeClasses: [] } };

const versions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `pod-security.admission.config.k8s.io/${version}`);

function levelOf(mode: Mode, given: Readonly<Record<string, unknown>>): LevelVersion {
  const level = String(given[mode] ?? noDefaults[mode].level);
  const version = String(given[`${mode}-version`] ?? noDefaults[mode].version);
  if (!isLevel(level)) throw new ConfigError(`PodSecurity: defaults.${mode}: Invalid value: ${JSON.stringify(level)}: must be one of privileged, baseline, restricted`);
  if (!isVersion(version)) throw new ConfigError(`PodSecurity: defaults.${mode}-version: Invalid value: ${JSON.stringify(version)}: must be "latest" or "v1.x"`);
  return { level, version };
}

const strings = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : []);

/** Reads a PodSecurityConfiguration. Throws ConfigError. */
export function podSecuritySettings(configuration: unknown): PodSecuritySettings {
  const { apiVersion, kind, defaults, exemptions } = isRecord(configuration) ? configuration : {};
  if (kind !== 'PodSecurityConfiguration' || !versions.includes(String(apiVersion))) throw new ConfigError(`PodSecurity: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`);
  const given = isRecord(defaults) ? defaults : {};
  const { namespaces, usernames, runtimeClasses } = isRecord(exemptions) ? exemptions : {};
  return {
    defaults: Object.fromEntries(modes.map((mode) => [mode, levelOf(mode, given)])) as Defaults,
    exempt: { namespaces: strings(namespaces), usernames: strings(usernames), runtimeClasses: strings(runtimeClasses) },
  };
}
