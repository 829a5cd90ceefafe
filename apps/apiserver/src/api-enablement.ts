import type { KindDescriptor } from '@orrery/api';
import { ConfigError } from '@orrery/runtime';

/** Which group versions and resources are served: what `--runtime-config` says over upstream's defaults. */

type Stage = 'ga' | 'beta' | 'alpha';

function stageOf(version: string): Stage {
  if (/^v[0-9]+$/.test(version)) return 'ga';
  return version.includes('beta') ? 'beta' : 'alpha';
}

const words: Readonly<Record<string, boolean>> = { '': true, 1: true, t: true, T: true, true: true, TRUE: true, True: true, 0: false, f: false, F: false, false: false, FALSE: false, False: false };

function parse(entry: string): readonly [string, boolean] {
  const equals = entry.indexOf('=');
  const key = equals < 0 ? entry : entry.slice(0, equals);
  const value = equals < 0 ? '' : entry.slice(equals + 1);
  const isOn = words[value];
  if (isOn === undefined) throw new ConfigError(`invalid value of ${key}: ${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
  return [key, isOn];
}

const versionName = (group: string, version: string): string => (group === '' ? version : `${group}/${version}`);

/** What a setting may name. */
interface Known {
  readonly groups: ReadonlySet<string>;
  readonly versions: ReadonlySet<string>;
}

function checkKey(key: string, { groups, versions }: Known): void {
  if (key.startsWith('api/') && key !== 'api/v1') return;
  const parts = key === 'api/v1' || key === 'v1' ? ['', 'v1'] : key.split('/');
  const [group = '', version] = parts;
  if (version === undefined || parts.length > 3) throw new ConfigError(`invalid key ${key}`);
  if (!groups.has(group)) throw new ConfigError(`unknown api groups ${group}`);
  if (!versions.has(versionName(group, version))) throw new ConfigError(`group version ${versionName(group, version)} that has not been registered`);
}

/**
 * The kinds that are served. Without settings those of stable versions: beta and alpha ones are turned on by
 * `api/all`, `api/beta`, `api/alpha`, `GROUP/VERSION` or `GROUP/VERSION/RESOURCE`, the more specific deciding. Throws a ConfigError in
 * upstream's words.
 */
export function enabledKinds(kinds: readonly KindDescriptor[], settings: readonly string[]): readonly KindDescriptor[] {
  const given = new Map(settings.map(parse));
  const known: Known = { groups: new Set(kinds.map(({ group }) => group)), versions: new Set(kinds.map(({ group, version }) => versionName(group, version))) };
  for (const key of given.keys()) checkKey(key, known);
  if (given.get('api/all') === false && given.size === 1) throw new ConfigError('invalid key with only api/all=false');
  const core = given.get('api/v1') ?? given.get('v1');
  return kinds.filter(({ group, version, resource }) => {
    const stage = stageOf(version);
    const name = versionName(group, version);
    const ofVersion = name === 'v1' ? core : given.get(name);
    return given.get(`${name}/${resource}`) ?? ofVersion ?? given.get(`api/${stage}`) ?? given.get('api/all') ?? stage === 'ga';
  });
}

/** The kinds whose objects are kept for the enabled ones, at the version they are stored at; that version need not be served. */
export function storedKinds(kinds: readonly KindDescriptor[], enabled: readonly KindDescriptor[]): readonly KindDescriptor[] {
  const served = new Set(enabled.map(({ storagePrefix }) => storagePrefix));
  return kinds.filter(({ storedAs, verbs, storagePrefix }) => !storedAs && verbs.includes('get') && verbs.includes('watch') && served.has(storagePrefix));
}
