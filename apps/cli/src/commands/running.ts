import { readFileSync } from 'node:fs';
import { createRestApiClient, type ApiClient, type HttpClient } from '@orrery/client';
import { createHttpClient, loadKubeconfig, realEnv } from '@orrery/node-io';
import { ConfigError } from '@orrery/runtime';
import { type ClusterState, type DataDir, dataDir, runningCluster } from '../data-dir.ts';
import { ExitCode, UserError } from '../user-error.ts';

/** A cluster that runs, and the administrator's way to its API server. */
export interface RunningCluster {
  readonly dir: DataDir;
  readonly state: ClusterState;
  readonly http: HttpClient;
  readonly api: ApiClient;
}

/** The cluster that runs on a data directory. Throws UserError when none does. */
export function requireRunning(path: string | undefined): { dir: DataDir; state: ClusterState } {
  const dir = dataDir(path);
  const state = runningCluster(dir);
  if (!state) throw new UserError(`no cluster runs on ${dir.root}; \`orrery up --data-dir ${dir.root}\` starts one`, ExitCode.notRunning);
  return { dir, state };
}

function load(kubeconfig: string): ReturnType<typeof loadKubeconfig> {
  try {
    return loadKubeconfig(kubeconfig);
  } catch (error) {
    if (error instanceof ConfigError) throw new UserError(error.message);
    throw error;
  }
}

/** Any cluster by its kubeconfig. Throws UserError for one that does not do. */
export function connectByKubeconfig(path: string): { http: HttpClient; api: ApiClient } {
  const { server, ca, cert, key, token, serverName, insecureSkipTlsVerify } = load(path);
  const http = createHttpClient({ server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}), ...(serverName ? { serverName } : {}), ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}) });
  return { http, api: createRestApiClient({ http, env: realEnv({ name: 'orrery', level: 'error' }), host: new URL(server).host, ...(token ? { token } : {}) }) };
}

export function connectRunning(path: string | undefined): RunningCluster {
  const { dir, state } = requireRunning(path);
  return { dir, state, ...connectByKubeconfig(dir.kubeconfig) };
}

/** Text of a file that a user named. */
export function readUserFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`);
  }
}
