import { Nodes } from '@orrery/api';
import { type StatusError, internalError, notFound, serviceUnavailable } from '@orrery/errors';
import type { ByteStream } from '@orrery/http';
import { dial, dialTlsOver } from '@orrery/node-io/dial';
import type { PluginContext } from '../pipeline/index.ts';
import { kubeletEndpoint } from './kubelet-endpoint.ts';

/** A connection, and what to write into `Host`. */
export interface Backend {
  readonly stream: ByteStream;
  readonly host: string;
  /** Further headers of every request to it. */
  readonly headers?: readonly (readonly [string, string])[];
}

/** One kubelet API may stand for many emulated nodes: the request says which is meant. Other kubelets ignore it. */
const nodeHeader = 'X-Orrery-Node';

/** Connects to what requests are passed on to. */
export interface Backends {
  /** Failures are 500 `error dialing backend`, unless `failed` says what they are. */
  kubelet(node: string, failed?: DialFailure): Promise<Backend>;
  /** A pod, a service's endpoint or a node by its address. Failures are those of proxies. */
  pod(to: { ip: string; port: number; tls: boolean }): Promise<Backend>;
}

export type DialFailure = (error: unknown) => StatusError;

const streamFailed: DialFailure = (error) => internalError(new Error(`error dialing backend: ${(error as Error).message}`));

/** What a proxy says of a backend that cannot be reached, or does not answer. */
export const proxyFailed: DialFailure = (error) => serviceUnavailable(`error trying to reach service: ${(error as Error).message}`);

async function dialing(connect: () => Promise<ByteStream>, { host, failed }: { host: string; failed: DialFailure }): Promise<Backend> {
  try {
    return { stream: await connect(), host };
  } catch (error) {
    throw failed(error);
  }
}

export function backends(context: Pick<PluginContext, 'config' | 'read' | 'clusterNet'>): Backends {
  const { kubeletCa, kubeletClientCert, kubeletClientKey } = context.config;
  const identity = kubeletClientCert ? { cert: kubeletClientCert, key: kubeletClientKey } : {};
  return {
    async kubelet(name, failed = streamFailed) {
      const node = context.read.get(Nodes, { name });
      if (!node) throw notFound({ group: '', resource: 'nodes', name });
      const to = kubeletEndpoint(node);
      const tls = { ...identity, ...(kubeletCa ? { ca: kubeletCa } : {}), commonName: `system:node:${name}` };
      return { ...(await dialing(() => dial({ ...to, tls }), { host: `${to.host}:${to.port}`, failed })), headers: [[nodeHeader, name]] };
    },
    async pod({ ip, port, tls }) {
      const net = context.clusterNet;
      const target = { host: ip, port, ...(tls ? { tls: {} } : {}) };
      const connect = async (): Promise<ByteStream> => {
        if (!net) return dial(target);
        const conn = await net.dial({ ip, port }, { timeoutMs: 30_000 });
        return tls ? dialTlsOver(conn, target) : conn;
      };
      return dialing(connect, { host: ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`, failed: proxyFailed });
    },
  };
}
