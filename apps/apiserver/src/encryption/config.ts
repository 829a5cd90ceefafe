import { type FieldError, fieldError } from '@orrery/errors';
import { ConfigError } from '@orrery/runtime';
import { parse as parseYaml } from 'yaml';

export interface Key {
  readonly name: string;
  /** Base64. */
  readonly secret: string;
}

export interface KmsConfig {
  readonly apiVersion?: string;
  readonly name?: string;
  readonly endpoint?: string;
  /** A Go duration; 3s when absent. */
  readonly timeout?: string;
  readonly cachesize?: number;
}

/** One of its fields is set. */
export interface Provider {
  readonly aesgcm?: { readonly keys?: readonly Key[] };
  readonly aescbc?: { readonly keys?: readonly Key[] };
  readonly secretbox?: { readonly keys?: readonly Key[] };
  readonly identity?: object;
  readonly kms?: KmsConfig;
}

export interface ResourceConfig {
  readonly resources: readonly string[];
  readonly providers: readonly Provider[];
}

/** apiserver.config.k8s.io/v1 EncryptionConfiguration. */
export interface EncryptionConfig {
  readonly resources: readonly ResourceConfig[];
}

const aesKeySizes = [16, 24, 32];
const secretboxKeySizes = [32];
const providerNames = ['kms', 'aesgcm', 'aescbc', 'secretbox', 'identity'] as const;

/** `deployments.apps` taken apart; the core group is empty. */
export function groupResource(text: string): { group: string; resource: string } {
  const dot = text.indexOf('.');
  return dot < 0 ? { group: '', resource: text } : { group: text.slice(dot + 1), resource: text.slice(0, dot) };
}

function overlaps(resources: readonly string[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (new Set(resources).size < resources.length) errors.push(fieldError.invalid(path, resources, 'the same resource cannot be specified multiple times'));
  const parsed = resources.map(groupResource);
  const masks = parsed.some((one, i) =>
    parsed.some((other, j) => i !== j && (one.group !== other.group || one.resource !== other.resource) && ((one.group === '*' && one.resource === '*') || (one.group === other.group && (one.resource === '*' || other.resource === '*')))),
  );
  if (masks) errors.push(fieldError.invalid(path, resources, "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked"));
  return errors;
}

const notRest = new Set(['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations']);

function badName(name: string): string | undefined {
  const { group, resource } = groupResource(name);
  if (name !== name.toLowerCase()) return 'resource name should not contain capital letters';
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources";
  if (notRest.has(name)) return 'resources which do not have REST API/s cannot be encrypted';
  if (group === 'events.k8s.io') return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file";
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption";
  return group === '*' && resource !== '*' ? 'encrypting the same resource across groups is not supported' : undefined;
}

function checkKeys(keys: readonly Key[] | undefined, path: string, sizes: readonly number[]): FieldError[] {
  if (!keys?.length) return [fieldError.required(path, 'at least one keys is required')];
  return keys.flatMap(({ name, secret }, i) => {
    const at = `${path}[${i}]`;
    const errors: FieldError[] = [];
    if (!name) errors.push(fieldError.required(`${at}.name`, 'name is a mandatory field for a key'));
    if (!secret) return [...errors, fieldError.required(`${at}.secret`, 'secret is a mandatory field for a key')];
    if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(secret)) return [...errors, fieldError.invalid(`${at}.secret`, 'REDACTED', 'secrets must be base64 encoded')];
    const { length } = Buffer.from(secret, 'base64');
    if (!sizes.includes(length)) errors.push(fieldError.invalid(`${at}.secret`, 'REDACTED', `secret is not of the expected length, got ${length}, expected one of [${sizes.join(' ')}]`));
    return errors;
  });
}

function checkKms(kms: KmsConfig, path: string, state: { readonly names: Set<string>; readonly reload: boolean }): FieldError[] {
  const { name = '', apiVersion = 'v1', endpoint = '', timeout = '3s', cachesize } = kms;
  const errors: FieldError[] = [];
  if (!name) errors.push(fieldError.required(`${path}.name`, 'name is a mandatory field for a provider'));
  if (apiVersion !== 'v1' && name.includes(':')) errors.push(fieldError.invalid(`${path}.name`, name, `invalid KMS provider name ${name}, must not contain ':'`));
  if ((state.reload || apiVersion !== 'v1') && state.names.has(name)) errors.push(fieldError.invalid(`${path}.name`, name, `duplicate KMS provider name ${name}, names must be unique`));
  if (/^-|^0(?:\.0*)?[a-zµ]*$/.test(timeout)) errors.push(fieldError.invalid(`${path}.timeout`, timeout, 'timeout should be a positive value'));
  if (!endpoint) errors.push(fieldError.invalid(`${path}.endpoint`, '', 'endpoint is a mandatory field for a kms'));
  else if (!endpoint.startsWith('unix:')) {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(endpoint)?.[1] ?? '';
    errors.push(fieldError.invalid(`${path}.endpoint`, endpoint, `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`));
  }
  if (apiVersion !== 'v1' && cachesize !== undefined) errors.push(fieldError.invalid(`${path}.cachesize`, cachesize, 'cachesize is not supported in v2'));
  if (apiVersion !== 'v1' && apiVersion !== 'v2') errors.push(fieldError.invalid(`${path}.apiVersion`, apiVersion, 'unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported'));
  // Upstream takes version 1 only behind a feature gate that is off.
  if (apiVersion === 'v1') errors.push(fieldError.forbidden(`${path}.apiVersion`, 'KMSv1 is deprecated and will only receive security updates going forward. Use KMSv2 instead'));
  state.names.add(name);
  return errors;
}

function checkProvider(provider: Provider, path: string, state: { readonly names: Set<string>; readonly reload: boolean }): FieldError[] {
  const given = providerNames.filter((name) => provider?.[name] !== undefined && provider[name] !== null);
  if (given.length === 0) return [fieldError.invalid(path, '{}', 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity')];
  if (given.length > 1) return [fieldError.invalid(path, given.join(', '), 'more than one provider specified in a single element, should split into different list elements')];
  const { kms, aesgcm, aescbc, secretbox } = provider;
  if (kms) return checkKms(kms, `${path}.kms`, state);
  if (aesgcm) return checkKeys(aesgcm.keys, `${path}.aesgcm.keys`, aesKeySizes);
  if (aescbc) return checkKeys(aescbc.keys, `${path}.aescbc.keys`, aesKeySizes);
  return secretbox ? checkKeys(secretbox.keys, `${path}.secretbox.keys`, secretboxKeySizes) : [];
}

/** An earlier entry that covers a later one leaves the later without effect, which nobody means. */
function checkMasks(config: EncryptionConfig): void {
  const seen = new Set<string>();
  for (const name of config.resources.flatMap(({ resources }) => resources)) {
    const { group } = groupResource(name);
    const mask = [`*.${group}`, '*.*'].find((one) => one !== name && seen.has(one)) ?? (seen.has(name) && name.startsWith('*.') ? name : undefined);
    if (mask) throw new ConfigError(`resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(mask)}`);
    seen.add(name);
  }
}

function isShaped(config: unknown): config is EncryptionConfig {
  const { resources } = (config ?? {}) as { resources?: unknown };
  const isText = (one: unknown): boolean => typeof one === 'string';
  const isEntry = (one: unknown): boolean => {
    const { resources: names = [], providers = [] } = (one ?? {}) as Record<string, unknown>;
    return Array.isArray(names) && names.every(isText) && Array.isArray(providers) && providers.every((p) => typeof p === 'object');
  };
  return resources === undefined || resources === null || (Array.isArray(resources) && resources.every(isEntry));
}

/** Reads a configuration. Throws ConfigError in upstream's words; no message holds a secret. */
export function loadEncryptionConfig(text: string, options: { readonly from: string; readonly reload: boolean }): EncryptionConfig {
  if (text.trim() === '') throw new ConfigError(`encryption provider configuration file ${JSON.stringify(options.from)} is empty`);
  let object: unknown;
  try {
    object = parseYaml(text);
  } catch {
    // The parser's message would show a line of the file.
    throw new ConfigError(`error decoding encryption provider configuration file ${JSON.stringify(options.from)}: it is no YAML`);
  }
  const { apiVersion, kind } = (object ?? {}) as { apiVersion?: unknown; kind?: unknown };
  if (apiVersion !== 'apiserver.config.k8s.io/v1' || kind !== 'EncryptionConfiguration') {
    throw new ConfigError(`error decoding encryption provider configuration file ${JSON.stringify(options.from)}: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`);
  }
  if (!isShaped(object)) throw new ConfigError(`error decoding encryption provider configuration file ${JSON.stringify(options.from)}: resources, their resources and providers must be lists`);
  const state = { names: new Set<string>(), reload: options.reload };
  const all = object.resources ?? [];
  const errors = all.length === 0 ? [fieldError.required('resources', 'at least one resources is required')] : [];
  for (const [i, { resources = [], providers = [] }] of all.entries()) {
    const [r, p] = [`resources[${i}].resources`, `resources[${i}].providers`];
    if (!resources.length) errors.push(fieldError.required(r, `at least one ${r} is required`));
    errors.push(...overlaps(resources, r));
    for (const [j, name] of resources.entries()) {
      const why = badName(name);
      if (why) errors.push(fieldError.invalid(`${r}[${j}]`, name, why));
    }
    if (!providers.length) errors.push(fieldError.required(p, `at least one ${p} is required`));
    for (const [j, provider] of providers.entries()) errors.push(...checkProvider(provider, `${p}[${j}]`, state));
  }
  const lines = errors.map((error) => `${error.field}: ${error.message}`);
  if (lines.length) throw new ConfigError(lines.length === 1 ? (lines[0] as string) : `[${lines.join(', ')}]`);
  checkMasks(object);
  return object;
}
