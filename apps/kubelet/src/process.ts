import { type ApiClient, createEventRecorder, sharedEventPace } from '@orrery/client';
import type { LogSource, ManifestReader, VolumeHost } from '@orrery/cri';
import type { ServeHttp } from '@orrery/node-io';
import { flagsOf } from '@orrery/node-io/z-pages';
import type { Channel } from '@orrery/rpc';
import { type Component, ConfigError, type ConfigOf, type ConfigSchema, type Env, startAll, stopAll } from '@orrery/runtime';
import { type Kubelet, createKubelet } from './component.ts';
import type { KubeletConfig } from './config.ts';
import type { KubeletConfiguration } from './configuration/types.ts';
import type { Journal } from './logs/journal.ts';
import type { PluginHost } from './plugins/plugin-host.ts';
import type { PodDialer, SecureTransports } from './probes/pod-network.ts';
import { createKubeletServer, type kubeletServerSchema } from './server/kubelet-server.ts';
import type { ConnectStreaming } from './server/streaming.ts';
import type { FetchManifest } from './static-pods/static-pods.ts';
import { createStartGate } from './pods/start-gate.ts';
import { createKubeletSources } from './sources/kubelet-sources.ts';

/** Settings of a process that hosts kubelets. */
export const processSchema = {
  criEndpoint: { type: 'string', default: 'unix:///run/containerd/containerd.sock', help: 'container runtime (CRI v1) of the node: unix:///path or host:port' },
  nodes: { type: 'list', default: [], help: 'host many nodes instead of one: name=ip=criEndpoint each' },
  serverCert: { type: 'string', default: '', help: 'file with the server certificate (PEM); without it the kubelet API is plain HTTP' },
  serverKey: { type: 'string', default: '', help: 'file with the key of --server-cert (PEM)' },
  clientCa: { type: 'string', default: '', help: 'file with the CA of client certificates (PEM)' },
  bootstrapKubeconfig: { type: 'string', default: '', help: 'kubeconfig with which the node asks for its client certificate when it has none; then --kubeconfig is written' },
  certDir: { type: 'string', default: '/var/lib/kubelet/pki', help: 'where certificates that were asked for are kept' },
  rotateCertificates: { type: 'boolean', default: false, help: 'renew the client certificate before it runs out' },
  rotateServerCertificates: { type: 'boolean', default: false, help: 'ask for the serving certificate, and renew it, instead of --server-cert; somebody has to approve the requests' },
  nodeRoot: { type: 'string', default: '', help: "directory that is the emulated node's /, as the container runtime has it; empty: this machine's own" },
  vnetEndpoint: { type: 'string', default: '', help: "gRPC address of the emulated node's switch, through which probes reach pods; empty: this machine's network" },
} as const satisfies ConfigSchema;

export interface KubeletProcessDeps {
  readonly api: ApiClient;
  readonly cri: (endpoint: string) => Channel;
  readonly volumes: VolumeHost;
  readonly logs: LogSource;
  readonly manifests: ManifestReader;
  readonly plugins: PluginHost;
  readonly fetchManifest: FetchManifest;
  readonly dialer: PodDialer;
  readonly secure: SecureTransports;
  readonly serveHttp: ServeHttp;
  readonly connectStreaming: ConnectStreaming;
  /** The file that `--config` names, shown at /configz. */
  readonly configuration?: KubeletConfiguration;
  /** What the process logs, if its nodes answer questions about that. */
  readonly journal?: Journal;
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
}

export interface KubeletProcess extends Component {
  /** Another serving certificate, for connections from now on. */
  setTls(tls: { readonly cert: string; readonly key: string }): void;
  /** The machine goes down: all its kubelets end their pods in an orderly way. */
  shutdown(): Promise<void>;
}

/** All settings of a process that hosts kubelets. */
export type KubeletProgramConfig = KubeletConfig & ConfigOf<typeof kubeletServerSchema> & ConfigOf<typeof processSchema>;

interface HostedNode {
  readonly name: string;
  readonly ips: readonly string[];
  readonly criEndpoint: string;
}

function hostedNodes(config: KubeletProgramConfig): HostedNode[] {
  if (config.nodes.length === 0) return [{ name: config.nodeName, ips: config.nodeIps, criEndpoint: config.criEndpoint }];
  return config.nodes.map((entry) => {
    const [name = '', ip = '', criEndpoint = ''] = entry.split('=');
    if (!name || !ip || !criEndpoint) throw new ConfigError(`--nodes takes name=ip=criEndpoint, not ${JSON.stringify(entry)}`);
    return { name, ips: [ip], criEndpoint };
  });
}

/** The kubelets of a process, with one server and one set of watches for all of them. */
export function createKubeletProcess(env: Env, deps: KubeletProcessDeps, config: KubeletProgramConfig): KubeletProcess {
  const hosted = hostedNodes(config);
  const many = hosted.length > 1;
  const sources = createKubeletSources(env, { api: deps.api, shared: many });
  const events = createEventRecorder(env, { api: deps.api, component: 'kubelet', ...(many ? { pace: sharedEventPace } : { host: hosted[0]?.name ?? '' }) });
  const starts = many ? createStartGate(env.clock) : undefined;
  const channels: Channel[] = [];
  const kubelets: Kubelet[] = hosted.map(({ name, ips, criEndpoint }) => {
    const cri = deps.cri(criEndpoint);
    channels.push(cri);
    const { api, volumes, logs, manifests, plugins, fetchManifest, dialer, secure, configuration, journal } = deps;
    return createKubelet(env, { api, cri, volumes, logs, manifests, ...(many ? { sharesDirectories: true } : { plugins }), fetchManifest, dialer, secure, sources, events, ...(starts ? { starts } : {}), ...(configuration ? { configuration } : {}), ...(journal ? { journal } : {}) }, { ...config, nodeName: name, nodeIps: ips });
  });
  const criEndpointOf = (node: string): string => hosted.find(({ name }) => name === node)?.criEndpoint ?? '';
  const server = createKubeletServer(env, { ...deps, flags: flagsOf(config), criEndpointOf, kubelets: () => kubelets }, config);
  return {
    name: 'kubelet',
    async start(signal) {
      await server.start(signal);
      await startAll(kubelets, signal);
    },
    async stop() {
      await stopAll([...kubelets, server]);
      sources.stop();
      for (const channel of channels) channel.close();
      await deps.api.close();
    },
    setTls: (tls) => server.setTls(tls),
    shutdown: async () => void (await Promise.all(kubelets.map((kubelet) => kubelet.shutdown()))),
    ready: () => server.ready() && kubelets.every((kubelet) => kubelet.ready()),
  };
}
