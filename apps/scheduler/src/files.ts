import type { HttpClient } from '@orrery/client';
import { ConfigError } from '@orrery/runtime';
import { loadConfiguration } from './configuration/load.ts';
import type { ExtenderTls, SchedulerConfiguration } from './configuration/types.ts';

/** The text of a file. */
type Read = (path: string) => string;

/** What `createHttpClient` of the adapter takes. */
interface Access {
  readonly server: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecureSkipTlsVerify?: boolean;
  readonly serverName?: string;
}

/** KubeSchedulerConfiguration from a file; undefined without a path. Throws ConfigError. */
export function readConfiguration(path: string, read: Read): SchedulerConfiguration | undefined {
  if (!path) return undefined;
  let text: string;
  try {
    text = read(path);
  } catch (error) {
    throw new ConfigError(`cannot read --config ${path}: ${(error as Error).message}`);
  }
  return loadConfiguration(text);
}

/** Connects to extenders, with what their `tlsConfig` says. */
export function connectExtender(read: Read, connect: (access: Access) => HttpClient): (server: string, tls: ExtenderTls | undefined) => HttpClient {
  const material = (data: string | undefined, file: string | undefined): string | undefined => (data ? Buffer.from(data, 'base64').toString('utf8') : file ? read(file) : undefined);
  return (server, tls = {}) => {
    const [ca, cert, key] = [material(tls.caData, tls.caFile), material(tls.certData, tls.certFile), material(tls.keyData, tls.keyFile)];
    return connect({
      server,
      ...(ca ? { ca } : {}),
      ...(cert ? { cert } : {}),
      ...(key ? { key } : {}),
      ...(tls.insecure ? { insecureSkipTlsVerify: true } : {}),
      ...(tls.serverName ? { serverName: tls.serverName } : {}),
    });
  };
}
