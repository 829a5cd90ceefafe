import { flagName } from '@orrery/runtime';
import type { ApiServerCore } from '../server.ts';
import { versionInfo } from './version.ts';

const warning = 'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

const two = (value: number): string => String(value).padStart(2, '0');

/** `Fri Nov 20 12:45:00 UTC 2026` */
function unixDate(ms: number): string {
  const [day = '', date = '', month = '', year = '', time = ''] = new Date(ms).toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${date.replace(/^0/, ' ')} ${time} UTC ${year}`;
}

function upTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  return `${Math.floor(seconds / 3600)} hr ${two(Math.floor(seconds / 60) % 60)} min ${two(seconds % 60)} sec`;
}

/** /statusz: what runs here, and since when. */
export function statusz({ registry, startedMs }: ApiServerCore, paths: readonly string[]): string {
  const { clock } = registry.env;
  const lines = [
    `Started: ${unixDate(startedMs)}`,
    `Up: ${upTime(clock.now() - startedMs)}`,
    `Go version: ${versionInfo.goVersion}`,
    `Binary version: ${versionInfo.gitVersion.slice(1)}`,
    `Emulation version: ${versionInfo.emulationMajor}.${versionInfo.emulationMinor}`,
    `Paths: ${paths.join(' ')}`,
  ];
  return `kube-apiserver statusz\n${warning}\n\n${lines.join('\n')}\n`;
}

/** Settings that are, or may hold, secrets or whole files. */
function shown(key: string, value: unknown): string {
  const text = Array.isArray(value) ? `[${value.join(',')}]` : String(value);
  return /-----BEGIN/.test(text) || (text !== '' && /^tokenAuth$|Key$/.test(key)) ? 'CLASSIFIED' : text;
}

/** /flagz: the settings in effect. */
export function flagz({ registry }: ApiServerCore): string {
  const lines = Object.entries(registry.config).map(([key, value]) => `${flagName(key).slice(2)}=${shown(key, value)}`);
  return `kube-apiserver flags\n${warning}\n\n${lines.sort().join('\n')}\n`;
}
