import { readFileSync } from 'node:fs';
import { ConfigMaps } from '@orrery/api';
import type { ApiClient } from '@orrery/client';
import { ConfigError, type ServingSettings } from '@orrery/runtime';

/** Whose word is taken for who asks. */
export interface Trust {
  /** Authority of client certificates (PEM); empty: none. */
  readonly clientCa: string;
  /** Authority of front proxies (PEM); empty: none. */
  readonly proxyCa: string;
  /** Common names of front proxies; empty: all that the authority signed. */
  readonly proxyNames: readonly string[];
  readonly userHeaders: readonly string[];
  readonly uidHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

/** Nobody's. */
export const noTrust: Trust = { clientCa: '', proxyCa: '', proxyNames: [], userHeaders: [], uidHeaders: [], groupHeaders: [], extraPrefixes: [] };

type Settings = Pick<ServingSettings, 'clientCaFile' | 'requestheaderClientCaFile' | 'requestheaderAllowedNames' | 'requestheaderUsernameHeaders' | 'requestheaderUidHeaders' | 'requestheaderGroupHeaders' | 'requestheaderExtraHeadersPrefix'>;

const lower = (names: readonly string[]): string[] => names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '');

function pem(flag: string, path: string): string {
  if (!path) return '';
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`${flag}: ${(error as Error).message}`);
  }
}

/** What the flags say. Throws ConfigError for files that cannot be read. */
export function givenTrust(settings: Settings): Trust {
  return {
    clientCa: pem('--client-ca-file', settings.clientCaFile),
    proxyCa: pem('--requestheader-client-ca-file', settings.requestheaderClientCaFile),
    proxyNames: settings.requestheaderAllowedNames,
    userHeaders: lower(settings.requestheaderUsernameHeaders),
    uidHeaders: lower(settings.requestheaderUidHeaders),
    groupHeaders: lower(settings.requestheaderGroupHeaders),
    extraPrefixes: lower(settings.requestheaderExtraHeadersPrefix),
  };
}

/** Whether something is left to be looked up. */
export const isComplete = ({ clientCa, proxyCa }: Trust): boolean => clientCa !== '' && proxyCa !== '';

const published = { namespace: 'kube-system', name: 'extension-apiserver-authentication' };

function strings(text: string | undefined): string[] {
  const value: unknown = text ? JSON.parse(text) : [];
  if (!Array.isArray(value)) throw new Error(`${published.name} holds no list of strings: ${String(text)}`);
  return value.map(String);
}

/** What the flags do not say, as the API server publishes it for extension servers. Rejects when it cannot be read. */
export async function lookUpTrust(api: ApiClient, given: Trust): Promise<Trust> {
  const { data = {} } = await api.get(ConfigMaps, published);
  const clientCa = given.clientCa || (data['client-ca-file'] ?? '');
  const proxyCa = data['requestheader-client-ca-file'] ?? '';
  if (given.proxyCa || !proxyCa) return { ...given, clientCa };
  return {
    clientCa,
    proxyCa,
    proxyNames: strings(data['requestheader-allowed-names']),
    userHeaders: lower(strings(data['requestheader-username-headers'])),
    uidHeaders: lower(strings(data['requestheader-uid-headers'])),
    groupHeaders: lower(strings(data['requestheader-group-headers'])),
    extraPrefixes: lower(strings(data['requestheader-extra-headers-prefix'])),
  };
}
