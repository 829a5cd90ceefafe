import { isRecord } from '@orrery/apimachinery';
import { readTextFile, textOrFile } from '@orrery/node-io/text-file';
import { ConfigError } from '@orrery/runtime';
import { parse } from 'yaml';

const versions = ['apiserver.config.k8s.io/v1', 'apiserver.k8s.io/v1alpha1'];

function parsed(text: string, what: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError(`${what}: ${(error as Error).message}`);
  }
}

/** Paths are relative to the file that names them. */
function beside(file: string, path: string): string {
  return path.startsWith('/') || !file.includes('/') ? path : `${file.slice(0, file.lastIndexOf('/'))}/${path}`;
}

/**
 * Configurations of plug-ins by name, from an AdmissionConfiguration: a file, or its text. A plug-in's own is in place or in
 * a file of its own. Throws ConfigError, and Node's error for a file that is not there.
 */
export function pluginConfigurations(setting: string): ReadonlyMap<string, unknown> {
  if (!setting) return new Map();
  const flag = 'admission-control-config-file';
  const document = parsed(textOrFile(setting), flag);
  const { apiVersion, kind, plugins = [] } = isRecord(document) ? document : {};
  if (kind !== 'AdmissionConfiguration' || !versions.includes(String(apiVersion))) throw new ConfigError(`${flag}: no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`);
  if (!Array.isArray(plugins)) throw new ConfigError(`${flag}: plugins must be a list`);
  const found = new Map<string, unknown>();
  for (const one of plugins as unknown[]) {
    const { name, path, configuration } = isRecord(one) ? one : {};
    if (typeof name !== 'string') throw new ConfigError(`${flag}: plugins need a name`);
    if (configuration !== undefined && configuration !== null) found.set(name, configuration);
    else if (typeof path === 'string' && path) found.set(name, parsed(readTextFile(beside(setting, path)), path));
  }
  return found;
}
