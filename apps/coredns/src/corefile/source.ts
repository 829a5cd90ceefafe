import { ConfigMaps } from '@orrery/api';
import type { ConfigMap } from '@orrery/api/types';
import type { ApiClient, Informer, InformerFactory } from '@orrery/client';
import { isAlreadyExists } from '@orrery/errors';
import type { Env } from '@orrery/runtime';
import type { HostDns } from '../world.ts';
import { CorefileError, type CorefileSource } from './parser.ts';

/** Where the Corefile comes from. */
export interface ConfigSource extends CorefileSource {
  /** Before the first `corefile`. */
  start(signal?: AbortSignal): Promise<void>;
  /** As it is now; throws when there is none. */
  corefile(): { readonly file: string; readonly text: string };
  /** A file beside it, or of this machine. */
  readFile(path: string): string | undefined;
  /** Whether the server goes on with a Corefile of its own when this one is wrong at the start. */
  readonly forgiving: boolean;
}

const mountPath = '/etc/coredns/';
const namespace = 'kube-system';

const directoryOf = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1);

function fromHost(host: HostDns | undefined, base: string): Pick<ConfigSource, 'readFile' | 'readFiles' | 'environment'> {
  const absolutePath = (path: string): string => (path.startsWith('/') ? path : `${base}${path}`);
  const readFile = (path: string): string | undefined => host?.readFile(absolutePath(path));
  return {
    readFile,
    readFiles: (pattern) =>
      (host?.glob(absolutePath(pattern)) ?? []).flatMap((file) => {
        const text = host?.readFile(file);
        return text === undefined ? [] : [{ file, text }];
      }),
    environment: (name) => host?.environment(name),
  };
}

/** A file of this machine. */
export function fileSource(path: string, host: HostDns | undefined): ConfigSource {
  return {
    ...fromHost(host, directoryOf(path)),
    forgiving: false,
    start: () => Promise.resolve(),
    corefile() {
      const text = host?.readFile(path);
      if (text === undefined) throw new CorefileError(`open ${path}: no such file or directory`);
      return { file: path, text };
    },
  };
}

/** A text that never changes. */
export function fixedSource(text: string, host: HostDns | undefined): ConfigSource {
  return { ...fromHost(host, ''), forgiving: false, start: () => Promise.resolve(), corefile: () => ({ file: 'Corefile', text }) };
}

/** The ConfigMap kube-system/coredns, or that of another name, as a Pod would have it mounted at /etc/coredns: each key is a file. Made when missing. */
export function configMapSource(env: Env, options: { api: ApiClient; informers: InformerFactory; host: HostDns | undefined; initial: string; name?: string }): ConfigSource {
  const { api, informers, host, initial, name = 'coredns' } = options;
  const key = { namespace, name };
  const maps: Informer<ConfigMap> = informers.informer(ConfigMaps, { namespace: key.namespace, fieldSelector: `metadata.name=${key.name}` });
  const files = (): Readonly<Record<string, string>> => maps.get(`${key.namespace}/${key.name}`)?.data ?? {};
  const onHost = fromHost(host, mountPath);
  const mounted = (path: string): string | undefined => files()[path.startsWith(mountPath) ? path.slice(mountPath.length) : path];
  return {
    ...onHost,
    forgiving: true,
    async start(signal) {
      await maps.whenSynced(signal);
      if (maps.get(`${key.namespace}/${key.name}`)) return;
      const made: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: key, data: { Corefile: initial } };
      await api.create(ConfigMaps, made).catch((error: unknown) => {
        if (!isAlreadyExists(error)) env.log.warn(`cannot make the ConfigMap ${namespace}/${name}`, { error });
      });
    },
    corefile: () => ({ file: `${mountPath}Corefile`, text: files()['Corefile'] ?? initial }),
    readFile: (path) => mounted(path) ?? onHost.readFile(path),
    readFiles(pattern) {
      const relative = pattern.startsWith(mountPath) ? pattern.slice(mountPath.length) : pattern;
      const matcher = new RegExp(`^${relative.replace(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
      const own = Object.entries(files()).filter(([file]) => file !== 'Corefile' && matcher.test(file));
      return own.length ? own.sort(([a], [b]) => (a < b ? -1 : 1)).map(([file, text]) => ({ file: mountPath + file, text })) : onHost.readFiles(pattern);
    },
  };
}
