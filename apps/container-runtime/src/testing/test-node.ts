import { MemoryLogs, MemoryVolumeHost, type CriClients, criClients } from '@orrery/cri';
import { type ServeHttp, dialTlsOver, realClock, serveTlsOver, serveUnaryOver } from '@orrery/node-io';
import type { ContainerConfig, PodSandboxConfig } from '@orrery/proto/cri';
import { type Clock, type Env, type LogRecord, createLogger, createMetrics, seededRandom } from '@orrery/runtime';
import { type Fabric, type VnetSwitch, createFabric } from '@orrery/vnet';
import { type ContainerRuntime, createContainerRuntime, memoryMounts, runtimeConfig } from '../component.ts';
import type { ContainerRuntimeConfig } from '../config.ts';

/** A node with its runtime, for tests. Errors that programs log are collected in `problems`. */
export interface TestNode extends CriClients {
  readonly env: Env;
  readonly fabric: Fabric;
  readonly switch: VnetSwitch;
  readonly volumes: MemoryVolumeHost;
  readonly logs: MemoryLogs;
  readonly component: ContainerRuntime;
  readonly problems: LogRecord[];
  runPod(options: { name: string; image: string } & Partial<ContainerConfig> & { sandbox?: Partial<PodSandboxConfig> }): Promise<TestPod>;
  /** Everything a container wrote, without the CRI prefix. */
  log(container: string): Promise<string>;
}

export interface TestPod {
  readonly sandbox: string;
  readonly container: string;
  readonly ip: string;
  exec(...argv: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  sh(script: string): Promise<{ code: number; stdout: string; stderr: string }>;
}

export async function testNode(options: { clock?: Clock; config?: Partial<ContainerRuntimeConfig>; fabric?: Fabric; name?: string; index?: number; serveHttp?: ServeHttp } = {}): Promise<TestNode> {
  const problems: LogRecord[] = [];
  const clock = options.clock ?? realClock;
  const log = createLogger({ now: () => clock.now(), level: 'warn', write: (record) => void problems.push(record) });
  const env: Env = { clock, random: seededRandom(42), log, metrics: createMetrics() };
  const fabric = options.fabric ?? createFabric(env);
  const index = options.index ?? 1;
  const node = options.name ?? `node-${index}`;
  const vswitch = fabric.addSwitch({ node, nodeIp: `10.240.1.${index}` });
  const volumes = new MemoryVolumeHost(() => clock.now());
  const logs = new MemoryLogs();
  const component = createContainerRuntime(env, { switch: vswitch, mounts: memoryMounts(volumes, clock), logs, dialTls: dialTlsOver, servers: { tls: serveTlsOver, unary: serveUnaryOver }, ...(options.serveHttp ? { serveHttp: options.serveHttp } : {}) }, runtimeConfig({ node, pullMs: 0, podCidr: `10.244.${index}.0/24`, ...options.config }));
  await component.start();
  const clients = criClients(component.channel());
  const paths = new Map<string, string>();
  const self: TestNode = {
    ...clients,
    env,
    fabric,
    switch: vswitch,
    volumes,
    logs,
    component,
    problems,
    async runPod({ name, image, sandbox, ...container }) {
      await clients.images.pullImage({ image: { image } });
      const config: PodSandboxConfig = { metadata: { name, uid: `uid-${name}`, namespace: 'default', attempt: 0 }, hostname: name, logDirectory: `/var/log/pods/${name}`, ...sandbox };
      const { podSandboxId = '' } = await clients.runtime.runPodSandbox({ config });
      const { containerId = '' } = await clients.runtime.createContainer({
        podSandboxId,
        config: { metadata: { name: 'main', attempt: 0 }, image: { image }, logPath: 'main/0.log', ...container },
        sandboxConfig: config,
      });
      paths.set(containerId, `${config.logDirectory}/main/0.log`);
      await clients.runtime.startContainer({ containerId });
      const { status } = await clients.runtime.podSandboxStatus({ podSandboxId });
      const exec = async (...argv: string[]) => {
        const result = await clients.runtime.execSync({ containerId, cmd: argv });
        return { code: result.exitCode ?? 0, stdout: String(result.stdout), stderr: String(result.stderr) };
      };
      return { sandbox: podSandboxId, container: containerId, ip: status?.network?.ip ?? '', exec, sh: (script) => exec('sh', '-c', script) };
    },
    async log(container) {
      const bytes = await logs.read(paths.get(container) ?? '', 0, 1 << 24);
      return Buffer.from(bytes).toString().replace(/^\S+ std(?:out|err) [FP] /gm, '');
    },
  };
  return self;
}
