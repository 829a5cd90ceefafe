import { parse, stringify } from 'yaml';
import { eventually } from './eventually.ts';

/** What of a `GenericContainer` of testcontainers is used: that package is yours, and none of ours. */
export interface ContainerToStart {
  withExposedPorts(...ports: number[]): ContainerToStart;
  withCommand(command: string[]): ContainerToStart;
  start(): Promise<RunningContainer>;
}

export interface RunningContainer {
  getHost(): string;
  getMappedPort(port: number): number;
  exec(command: string[]): Promise<{ readonly exitCode: number; readonly output: string }>;
  stop(): Promise<unknown>;
}

/** A cluster in one container. */
export interface StartedOrreryContainer {
  /** Of the administrator, with the address by which the container is reached from here. */
  readonly kubeconfig: string;
  /** `https://host:port` of the Kubernetes API. */
  readonly server: string;
  readonly container: RunningContainer;
  /** Runs `orrery` inside: `orrery('clock', 'advance', '6h')`. Rejects with what it said where it fails. */
  orrery(...words: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

interface Kubeconfig {
  readonly clusters: { readonly name: string; readonly cluster: Record<string, unknown> }[];
}

const apiPort = 6443;
const dataDir = '/tmp/cluster';
/** What the certificate of the server is for, wherever it is reached. */
const certificateName = 'localhost';

/**
 * Orrery for testcontainers: `await new OrreryContainer(new GenericContainer('orrery:local')).withNodes(2).start()`. The image is that of infra/Dockerfile. With the
 * container everything goes; testcontainers removes it also when the test process dies.
 */
export class OrreryContainer {
  private readonly container: ContainerToStart;
  private nodes = 1;
  private words: readonly string[] = [];
  private startupTimeoutMs = 120_000;

  constructor(container: ContainerToStart) {
    this.container = container;
  }

  withNodes(nodes: number): this {
    this.nodes = nodes;
    return this;
  }

  /** Further flags of `orrery up`. */
  withArgs(...words: readonly string[]): this {
    this.words = words;
    return this;
  }

  withStartupTimeout(ms: number): this {
    this.startupTimeoutMs = ms;
    return this;
  }

  /** Resolves when all nodes are Ready. */
  async start(): Promise<StartedOrreryContainer> {
    const command = ['cli/main.js', 'up', '--data-dir', dataDir, '--api-host', '0.0.0.0', '--api-port', String(apiPort), '--nodes', String(this.nodes), ...this.words];
    const container = await this.container.withExposedPorts(apiPort).withCommand(command).start();
    const orrery = async (...words: readonly string[]): Promise<string> => {
      const { exitCode, output } = await container.exec(['node', 'cli/main.js', ...words, '--data-dir', dataDir]);
      if (exitCode !== 0) throw new Error(output.trim());
      return output;
    };
    try {
      await eventually(async () => (JSON.parse(await orrery('status', '-o', 'json')) as { ready: boolean }).ready, { what: 'the cluster in the container is ready', withinMs: this.startupTimeoutMs, everyMs: 500 });
      const server = `https://${container.getHost()}:${container.getMappedPort(apiPort)}`;
      const told = parse(await orrery('kubeconfig')) as Kubeconfig;
      const clusters = told.clusters.map(({ name, cluster }) => ({ name, cluster: { ...cluster, server, 'tls-server-name': certificateName } }));
      return { kubeconfig: stringify({ ...told, clusters }), server, container, orrery, stop: async () => void (await container.stop()) };
    } catch (error) {
      await container.stop();
      throw error;
    }
  }
}
