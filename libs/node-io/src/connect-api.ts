import { readFileSync } from 'node:fs';
import { type ApiClient, createGrpcApiClient, createRestApiClient, userAgentOf, withFeed } from '@orrery/client';
import { type Channel, type TlsMaterial, grpcChannel, spreadChannel, withDeadlines } from '@orrery/rpc';
import { type ConfigOf, ConfigError, type ConfigSchema, type Env } from '@orrery/runtime';
import { connectBus } from './connect-bus.ts';
import { createHttpClient } from './http-client-node.ts';
import { type ClusterAccess, loadKubeconfig } from './kubeconfig-load.ts';
import { clusterServerName, tlsMaterial } from './vnet-member.ts';

/** Settings of every program that speaks to the API server. */
export const apiConnectionSchema = {
  apiServer: { type: 'string', default: '127.0.0.1:6444', help: 'host:port of the API server: its gRPC port, or its REST port with --api-transport rest; several of gRPC with commas, which take turns' },
  apiTransport: { type: 'string', default: 'grpc', choices: ['grpc', 'rest'], help: 'how to speak to the API server: orrery.api.v1, or REST (any kube-apiserver)' },
  kubeconfig: { type: 'string', default: '', help: 'kubeconfig with the server (rest) and the credentials (both)' },
  tlsCert: { type: 'string', default: '', help: 'file with the client certificate (PEM)' },
  tlsKey: { type: 'string', default: '', help: 'file with the key of the client certificate (PEM)' },
  tlsCa: { type: 'string', default: '', help: 'file with the CA that signed the certificate of the server (PEM); without it gRPC is plain text' },
  apiServerName: { type: 'string', default: clusterServerName, help: 'name that the certificate of the gRPC API must hold' },
  natsUrl: { type: 'string', default: '', help: 'NATS server that carries the change feed, e.g. nats://127.0.0.1:4222; empty: watches go to the API server alone' },
} as const satisfies ConfigSchema;

/** Setting of programs of which one leads. */
export const takeOverSchema = {
  leaderElectTakeOver: { type: 'boolean', default: false, help: 'at start, take the lease from whoever holds it: for development beside a running cluster' },
} as const satisfies ConfigSchema;

export type ApiConnection = ConfigOf<typeof apiConnectionSchema>;

function fileText(flag: string, path: string): string | undefined {
  if (!path) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(`cannot read ${flag} ${path}: ${(error as Error).message}`);
  }
}

/** Flags win over the kubeconfig. */
function access(config: ApiConnection): ClusterAccess {
  const fromFile: Partial<ClusterAccess> = config.kubeconfig ? loadKubeconfig(config.kubeconfig) : {};
  const ca = fileText('--tls-ca', config.tlsCa);
  const cert = fileText('--tls-cert', config.tlsCert);
  const key = fileText('--tls-key', config.tlsKey);
  const server = fromFile.server ?? `${ca ? 'https' : 'http'}://${config.apiServer}`;
  if (config.apiTransport === 'rest' && !fromFile.server && config.apiServer.includes(',')) throw new ConfigError('--api-server: REST takes one server, such as a load balancer; several go with --api-transport grpc');
  return { ...fromFile, server, ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
}

/** Of several servers one that no longer answers is noticed within nine seconds (with the five an answer may take): before a lease runs out (10 s). */
const keepAliveMs = 4_000;
/** A little longer than the API server takes for any request (`--request-timeout`, 60 s), so that it is the server that says why. */
const requestTimeoutMs = 65_000;

function apiChannel(env: Pick<Env, 'clock' | 'random'>, config: ApiConnection, tls: TlsMaterial | undefined, serverName: string | undefined): Channel {
  const servers = config.apiServer.split(',').map((server) => server.trim()).filter((server) => server !== '');
  if (servers.length === 0) throw new ConfigError('--api-server must be specified');
  const options = { ...(tls ? { tls, serverName: serverName ?? config.apiServerName } : {}), ...(servers.length > 1 ? { keepAliveMs } : {}) };
  return withDeadlines(spreadChannel(servers.map((server) => grpcChannel(server, options)), { now: () => env.clock.monotonic(), random: env.random }), requestTimeoutMs);
}

function connectDirectly(env: Pick<Env, 'clock' | 'random' | 'log' | 'metrics'>, config: ApiConnection, userAgent: string): ApiClient {
  const { server, token, insecureSkipTlsVerify, serverName, ca, cert, key } = access(config);
  const material = { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) };
  if (config.apiTransport === 'rest') {
    const http = createHttpClient({ server, ...material, ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}), ...(serverName ? { serverName } : {}) });
    return createRestApiClient({ http, env, host: new URL(server).host, userAgent, ...(token ? { token } : {}) });
  }
  const channel = apiChannel(env, config, ca ? material : undefined, serverName);
  return createGrpcApiClient(channel, { env, userAgent, ...(token ? { token } : {}) });
}

/**
 * Clients of the same server that show a token, and no certificate: a server would take them for its holder. All share one
 * connection, which is not the program's own.
 */
export function connectApiByToken(env: Pick<Env, 'clock' | 'random' | 'log' | 'metrics'>, config: ApiConnection, program: string): (token: () => string) => ApiClient {
  const userAgent = userAgentOf(program);
  const { server, insecureSkipTlsVerify, serverName, ca } = access(config);
  const trusted = ca ? { ca } : {};
  if (config.apiTransport === 'rest') {
    const http = createHttpClient({ server, ...trusted, ...(insecureSkipTlsVerify ? { insecureSkipTlsVerify } : {}), ...(serverName ? { serverName } : {}) });
    return (token) => createRestApiClient({ http, env, host: new URL(server).host, token, userAgent });
  }
  const channel = apiChannel(env, config, ca ? trusted : undefined, serverName);
  return (token) => createGrpcApiClient(channel, { env, token, userAgent });
}

/**
 * A client of the API server as the settings say, for `program` as upstream names it (`kube-scheduler`); with `natsUrl` its watches follow the change feed. Does not connect yet: an
 * unreachable server shows as 503 of the calls, an unreachable NATS not at all.
 */
export function connectApi(env: Pick<Env, 'clock' | 'random' | 'log' | 'metrics'>, config: ApiConnection, program: string): ApiClient {
  const direct = connectDirectly(env, config, userAgentOf(program));
  if (!config.natsUrl) return direct;
  const bus = connectBus(env, config.natsUrl, tlsMaterial(config));
  return {
    ...withFeed(direct, { bus, env }),
    async close() {
      await direct.close();
      await bus.close();
    },
  };
}
