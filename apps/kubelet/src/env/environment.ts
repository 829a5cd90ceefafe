import type { ConfigMap, Container, EnvFromSource, EnvVar, FileKeySelector, Pod, Secret, Service } from '@orrery/api/types';
import { EnvFileError, parseEnvFile } from './env-file.ts';
import { expand } from './expansion.ts';
import { type FieldContext, fieldValue, resourceValue } from './field-values.ts';
import { serviceEnvironment } from './service-env.ts';

/** A mistake in the pod or something it names that is not there: CreateContainerConfigError. */
export class ConfigFault extends Error {}

/** Where values come from; objects are those of the pod's namespace. */
export interface EnvironmentSources extends FieldContext {
  configMap(name: string): Promise<ConfigMap | undefined>;
  secret(name: string): Promise<Secret | undefined>;
  /** The text of a file of one of the pod's volumes; undefined when there is none. No path leads out of the volume. */
  file(volumeName: string, path: string): Promise<string | undefined>;
  /** Services the pod is told of: those of its namespace when it wants links, and the API server's. */
  services(): readonly Service[];
}

export function decodeBase64(text: string): Buffer {
  return Buffer.from(text, 'base64');
}

async function fromSource(source: EnvFromSource, sources: EnvironmentSources): Promise<[string, string][]> {
  const prefix = source.prefix ?? '';
  if (source.configMapRef) {
    const { name = '', optional } = source.configMapRef;
    const found = await sources.configMap(name);
    if (!found && !optional) throw new ConfigFault(`configmap "${name}" not found`);
    return Object.entries(found?.data ?? {}).map(([key, value]) => [`${prefix}${key}`, value]);
  }
  if (source.secretRef) {
    const { name = '', optional } = source.secretRef;
    const found = await sources.secret(name);
    if (!found && !optional) throw new ConfigFault(`secret "${name}" not found`);
    return Object.entries(found?.data ?? {}).map(([key, value]) => [`${prefix}${key}`, decodeBase64(value).toString()]);
  }
  return [];
}

interface ValueInput {
  readonly pod: Pod;
  readonly container: Container;
  readonly variable: EnvVar;
  readonly sources: EnvironmentSources;
}

async function configMapKey({ pod, variable, sources }: ValueInput): Promise<string | undefined> {
  const { name = '', key, optional } = variable.valueFrom?.configMapKeyRef ?? { key: '' };
  const found = await sources.configMap(name);
  if (!found) {
    if (optional) return undefined;
    throw new ConfigFault(`configmap "${name}" not found`);
  }
  const value = found.data?.[key];
  if (value === undefined && !optional) throw new ConfigFault(`couldn't find key ${key} in ConfigMap ${pod.metadata?.namespace ?? ''}/${name}`);
  return value;
}

async function secretKey({ pod, variable, sources }: ValueInput): Promise<string | undefined> {
  const { name = '', key, optional } = variable.valueFrom?.secretKeyRef ?? { key: '' };
  const found = await sources.secret(name);
  if (!found) {
    if (optional) return undefined;
    throw new ConfigFault(`secret "${name}" not found`);
  }
  const value = found.data?.[key];
  if (value === undefined && !optional) throw new ConfigFault(`couldn't find key ${key} in Secret ${pod.metadata?.namespace ?? ''}/${name}`);
  return value === undefined ? undefined : decodeBase64(value).toString();
}

/** A variable that an earlier container has written into a file of a volume. */
async function fileKey({ volumeName, path, key, optional }: FileKeySelector, sources: EnvironmentSources): Promise<string | undefined> {
  const text = await sources.file(volumeName, path);
  if (text === undefined) {
    if (optional) return undefined;
    throw new ConfigFault(`couldn't parse env file: failed to open environment variable file "${path}": no such file or directory`);
  }
  let value: string | undefined;
  try {
    value = parseEnvFile(text).get(key);
  } catch (error) {
    if (error instanceof EnvFileError) throw new ConfigFault(`couldn't parse env file: ${error.message}`);
    throw error;
  }
  if (value === undefined && !optional) throw new ConfigFault(`environment variable key "${key}" not found in file "${path}"`);
  return value;
}

async function valueFrom(input: ValueInput): Promise<string | undefined> {
  const { pod, container, variable, sources } = input;
  const from = variable.valueFrom ?? {};
  if (from.configMapKeyRef) return configMapKey(input);
  if (from.secretKeyRef) return secretKey(input);
  if (from.fieldRef) {
    const value = fieldValue(pod, from.fieldRef.fieldPath, sources);
    if (value === undefined) throw new ConfigFault(`unsupported fieldPath: ${from.fieldRef.fieldPath}`);
    return value;
  }
  if (from.resourceFieldRef) {
    const { resource, divisor, containerName } = from.resourceFieldRef;
    const named = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((c) => c.name === containerName);
    const value = resourceValue(named ?? container, resource, { allocatable: sources.allocatable, ...(divisor === undefined ? {} : { divisor: String(divisor) }) });
    if (value === undefined) throw new ConfigFault(`unsupported container resource : ${resource}`);
    return value;
  }
  if (from.fileKeyRef) return fileKey(from.fileKeyRef, sources);
  return undefined;
}

/**
 * The environment of a container: envFrom, then env (each may use earlier names), then service variables that are not
 * set otherwise. Throws ConfigFault with upstream's words.
 */
export async function buildEnvironment(pod: Pod, container: Container, sources: EnvironmentSources): Promise<ReadonlyMap<string, string>> {
  const services = serviceEnvironment(sources.services());
  if (!container.env?.length && !container.envFrom?.length) return services;
  const out = new Map<string, string>();
  for (const source of container.envFrom ?? []) for (const [name, value] of await fromSource(source, sources)) if (name !== '') out.set(name, value);
  const lookup = (name: string): string | undefined => out.get(name) ?? services.get(name);
  for (const variable of container.env ?? []) {
    const value = variable.valueFrom ? await valueFrom({ pod, container, variable, sources }) : expand(variable.value ?? '', lookup);
    if (value !== undefined) out.set(variable.name, value);
  }
  for (const [name, value] of services) if (!out.has(name)) out.set(name, value);
  return out;
}
