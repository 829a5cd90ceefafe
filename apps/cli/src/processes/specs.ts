import { join } from 'node:path';
import { nodeCacheAddress } from '@orrery/coredns/component';
import { clusterServerName, frontProxyName, loopbackAddresses } from '@orrery/node-io';
import type { ClusterOptions } from '../cluster.ts';
import { isDualStack, primaryFirst } from '../extra-config.ts';
import { loadBalancerRange } from '../load-balancer-range.ts';
import { apiServerAddresses, instanceIpv6Range, network, nodeAddresses, nodeCacheHome, nodeName, podRange } from '../single/addresses.ts';
import { nodeKubeletPort } from '../single/kubelet-port.ts';
import type { StoreMember } from './store-members.ts';
import type { ProcessSpec } from './supervisor.ts';

/** PEM files of one component. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Ports of this machine that the components of a cluster use. */
export interface Ports {
  /** Of each store. */
  readonly stores: readonly number[];
  /** Where clients find the Kubernetes API. */
  readonly api: number;
  /** Of each API server; the first is `api` itself where there is no load balancer before them. */
  readonly apiServers: readonly number[];
  /** gRPC, of each API server. */
  readonly apiGrpc: readonly number[];
  readonly cloud: number;
  readonly dns: number;
  readonly http: number;
  readonly https: number;
  readonly nats: number;
  /** HTTPS, of each replica of what has several: health, metrics. */
  readonly scheduler: readonly number[];
  readonly controllerManager: readonly number[];
  readonly cloudControllerManager: readonly number[];
}

/** Names and addresses that a component has beside those that all have. */
export interface KnownAs {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface SpecContext {
  readonly options: ClusterOptions;
  readonly ports: Ports;
  /** Of several stores; empty for one alone. */
  readonly storeMembers: readonly StoreMember[];
  /** Short path for unix sockets, whose length is limited. */
  readonly socketDir: string;
  /** Client and serving certificate of a component, as files. */
  tls(component: string, user: string, groups: readonly string[], known?: KnownAs): TlsFiles;
  /** `nats://…` when a server runs. */
  readonly natsUrl: string;
}

const local = '127.0.0.1';

const natsFlags = ({ natsUrl }: SpecContext): string[] => (natsUrl ? ['--nats-url', natsUrl] : []);

function apiFlags(context: SpecContext, tls: TlsFiles): string[] {
  return ['--api-server', context.ports.apiGrpc.map((port) => `${local}:${port}`).join(), '--tls-ca', tls.ca, '--tls-cert', tls.cert, '--tls-key', tls.key, ...natsFlags(context)];
}

/** The directory that is the `/` of a node. */
const nodeRoot = ({ dir }: ClusterOptions, name: string): string => join(dir.root, 'nodes', name);

/** The store, or the several it consists of. */
export function storeSpecs(context: SpecContext): ProcessSpec[] {
  const { options, ports, storeMembers } = context;
  const tls = context.tls('store', 'store', []);
  const files = (prefix: string): string[] => [`--${prefix}cert-file`, tls.cert, `--${prefix}key-file`, tls.key, `--${prefix}trusted-ca-file`, tls.ca, `--${prefix}client-cert-auth`];
  const client = (index: number): string[] => ['--listen-client', `${local}:${ports.stores[index] ?? 0}`, ...files('')];
  if (storeMembers.length === 0) return [{ name: 'store', app: 'store', args: ['--data-dir', options.dir.store, ...client(0)] }];
  const cluster = storeMembers.map(({ name, peerPort }) => `${name}=${local}:${peerPort}`).join();
  return storeMembers.map(({ name, dataDir, peerPort }, index) => {
    const peer = ['--name', name, '--listen-peer', `${local}:${peerPort}`, '--initial-cluster', cluster, ...files('peer-')];
    return { name, app: 'store', args: ['--data-dir', dataDir, ...client(index), ...peer] };
  });
}

/** Files of the API servers alone. */
export interface ApiServerFiles {
  /** Authority of `cert`. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly serviceAccountKey: string;
  readonly encryptionConfig: string;
  /** What it shows the servers behind APIServices, and whose word it takes in request headers itself. */
  readonly proxy: TlsFiles;
}

/** Name of the i-th replica of a component: `scheduler`, `scheduler-2`. */
export function replicaName(name: string, index: number): string {
  return index === 0 ? name : `${name}-${index + 1}`;
}

/** The API servers, and the load balancer before several. */
export function apiServerSpecs(context: SpecContext, serving: ApiServerFiles): { servers: ProcessSpec[]; balancer: ProcessSpec | undefined } {
  const { options, ports } = context;
  const servers = ports.apiServers.map((_, index) => apiServerSpec(context, serving, index));
  if (servers.length === 1) return { servers, balancer: undefined };
  const args = ['balance', '--listen', `${options.apiHost}:${ports.api}`, '--servers', ports.apiServers.map((port) => `${local}:${port}`).join(), '--ca', serving.ca];
  return { servers, balancer: { name: 'balancer', app: 'cli', args } };
}

function apiServerSpec(context: SpecContext, serving: ApiServerFiles, index: number): ProcessSpec {
  const { options, ports } = context;
  const isAlone = ports.apiServers.length === 1;
  const { advertised, vnet } = apiServerAddresses(index);
  const tls = context.tls('apiserver', 'kube-apiserver', ['system:masters', 'orrery:components']);
  const args = [
    ...['--host', isAlone ? options.apiHost : local, '--port', String(ports.apiServers[index] ?? 0), '--grpc-port', String(ports.apiGrpc[index] ?? 0)],
    ...['--advertise-address', advertised, '--advertise-port', String(ports.api), '--vnet-address', vnet],
    ...['--tls-cert', serving.cert, '--tls-key', serving.key, '--client-ca', tls.ca, '--service-account-key', serving.serviceAccountKey],
    ...['--etcd-servers', ports.stores.map((port) => `${local}:${port}`).join(), '--etcd-ca', tls.ca, '--etcd-cert', tls.cert, '--etcd-key', tls.key, '--etcd-server-name', clusterServerName],
    ...['--kubelet-ca', tls.ca, '--kubelet-client-cert', tls.cert, '--kubelet-client-key', tls.key],
    ...['--requestheader-client-ca-file', serving.proxy.ca, '--requestheader-allowed-names', frontProxyName, '--proxy-client-cert-file', serving.proxy.cert, '--proxy-client-key-file', serving.proxy.key],
    ...['--encryption-provider-config', serving.encryptionConfig, '--encryption-provider-config-automatic-reload'],
    ...natsFlags(context),
    ...['--nats-ca', tls.ca, '--nats-cert', tls.cert, '--nats-key', tls.key],
  ];
  return { name: replicaName('apiserver', index), app: 'apiserver', args };
}

/** Programs that only speak to the API server. */
export function controlPlaneSpecs(context: SpecContext): ProcessSpec[] {
  const { options, ports } = context;
  const scheduler = context.tls('scheduler', 'system:kube-scheduler', []);
  const manager = context.tls('controller-manager', 'system:kube-controller-manager', []);
  const signing = ['--cluster-signing-cert-file', manager.ca, '--cluster-signing-key-file', join(options.dir.pki, 'ca.key'), '--service-account-private-key-file', join(options.dir.pki, 'components', 'service-account.key')];
  const ccm = context.tls('cloud-controller-manager', 'system:cloud-controller-manager', ['orrery:components']);
  const cloud = context.tls('cloud', 'orrery:cloud', ['orrery:components']);
  const csi = context.tls('csi-disk', 'system:csi-disk', ['orrery:components']);
  const nodeRoots = Array.from({ length: options.nodes }, (_, index) => ['--nodes', `${nodeName(index)}=${nodeRoot(options, nodeName(index))}`]).flat();
  const serving = (tls: TlsFiles, port = 0): string[] => ['--bind-address', local, '--secure-port', String(port), '--tls-cert-file', tls.cert, '--tls-private-key-file', tls.key];
  const replicated = (index: number): ProcessSpec[] => [
    { name: replicaName('scheduler', index), app: 'scheduler', args: [...apiFlags(context, scheduler), ...serving(scheduler, ports.scheduler[index])] },
    { name: replicaName('cloud-controller-manager', index), app: 'cloud-controller-manager', args: [...apiFlags(context, ccm), ...serving(ccm, ports.cloudControllerManager[index]), '--cloud', `${local}:${ports.cloud}`] },
    {
      name: replicaName('controller-manager', index),
      app: 'controller-manager',
      args: [...apiFlags(context, manager), ...serving(manager, ports.controllerManager[index]), '--root-ca-file', manager.ca, '--use-service-account-credentials', ...signing, '--cluster-cidr', podRange(options.nodes)],
    },
  ];
  return [
    ...Array.from({ length: options.replicas }, (_, index) => replicated(index)).flat(),
    { name: 'csi-disk', app: 'csi-disk', args: [...apiFlags(context, csi), '--cloud', `${local}:${ports.cloud}`, ...nodeRoots] },
    {
      name: 'cloud',
      app: 'cloud',
      args: [
        ...apiFlags(context, cloud),
        ...['--listen', `${local}:${ports.cloud}`, '--address', network.cloud, '--state-file', join(options.dir.root, 'cloud.json'), '--disk-dir', join(options.dir.root, 'cloud-disks')],
        ...['--load-balancer-range', loadBalancerRange(options.dir.root)],
        ...(isDualStack(options.extra) ? ['--instance-ipv6-range', instanceIpv6Range] : []),
      ],
    },
  ];
}

/** Programs with a place of their own in the emulated network. */
export function serviceSpecs(context: SpecContext): ProcessSpec[] {
  const { ports } = context;
  const dns = context.tls('coredns', 'system:coredns', ['orrery:components']);
  const ingress = context.tls('ingress', 'system:ingress', ['orrery:components']);
  const metrics = context.tls('metrics-server', 'system:metrics-server', ['orrery:components']);
  const ingressFlags = ['--http-port', String(ports.http), '--https-port', String(ports.https)];
  return [
    { name: 'coredns', app: 'coredns', args: [...apiFlags(context, dns), '--address', network.dns, '--listen', `${local}:${ports.dns}`] },
    {
      name: 'metrics-server',
      app: 'metrics-server',
      args: [...apiFlags(context, metrics), '--secure-port', '0', '--tls-cert-file', metrics.cert, '--tls-private-key-file', metrics.key, '--tls-ca-file', metrics.ca],
    },
    { name: 'ingress', app: 'ingress', args: [...apiFlags(context, ingress), '--address', network.ingress, ...ingressFlags] },
  ];
}

/** One node, whose programs are processes of this machine. Quantities as Kubernetes writes them. */
export interface NodeMachine {
  readonly name: string;
  /** Of IPv4, then of IPv6 if it has one. */
  readonly ips: readonly string[];
  readonly cpu: string;
  readonly memory: string;
  readonly pods: number;
  /** key=value each. */
  readonly labels: readonly string[];
  /** key=value:effect each. */
  readonly taints: readonly string[];
  /** Its node ports answer on this machine, too. */
  readonly isFirst?: boolean;
  /** Of the cloud: a cloud-controller-manager tells the rest of it. */
  readonly isInstance?: boolean;
}

/** The DNS cache of a node, where pods are to ask one. */
function cacheSpecs(context: SpecContext, { name, home }: { name: string; home: string }): ProcessSpec[] {
  if (!context.options.nodeLocalDns) return [];
  const dns = context.tls('coredns', 'system:coredns', ['orrery:components']);
  return [{ name: `node-local-dns-${name}`, app: 'coredns', args: [...apiFlags(context, dns), '--node-cache', name, '--address', home, '--service-ip', network.dnsService] }];
}

/** The programs of one node, in the order in which they start. */
export function nodeSpecs(context: SpecContext, machine: NodeMachine, own: { readonly vnet: number; readonly kubelet: number }): ProcessSpec[] {
  const { options, ports, socketDir } = context;
  const { name, ips } = machine;
  const [ip = ''] = ips;
  const socket = `unix://${join(socketDir, `${name}.sock`)}`;
  const root = nodeRoot(options, name);
  const cache = nodeCacheHome(ip);
  const vnet = `${local}:${own.vnet}`;
  const kubeletPort = String(own.kubelet);
  const runtime = context.tls(`container-runtime-${name}`, `orrery:container-runtime:${name}`, ['orrery:switches']);
  const kubelet = context.tls(`kubelet-${name}`, `system:node:${name}`, ['system:nodes'], { dnsNames: [name], ipAddresses: ips });
  const proxy = context.tls(`kube-proxy-${name}`, 'system:kube-proxy', ['orrery:components']);
  const csi = context.tls('csi-disk', 'system:csi-disk', ['orrery:components']);
  const gateways = ports.apiServers.flatMap((port, server) => ['--host-gateway', `${apiServerAddresses(server).advertised}:${ports.api}=${local}:${port}`]);
  const certificates = ['--tls-ca', runtime.ca, '--tls-cert', runtime.cert, '--tls-key', runtime.key];
  const capacity = ['--cpu', machine.cpu, '--memory', machine.memory, '--max-pods', String(machine.pods)];
  const registration = [...machine.labels.flatMap((label) => ['--node-labels', label]), ...machine.taints.flatMap((taint) => ['--register-with-taints', taint]), ...(machine.isInstance ? ['--cloud-provider', 'external'] : [])];
  return [
    {
      name: `container-runtime-${name}`,
      app: 'container-runtime',
      args: ['--node', name, '--node-ip', ips.join(), '--node-root', root, '--listen', socket, '--vnet-listen', vnet, '--node-ports', `${nodeKubeletPort}=${local}:${kubeletPort}`, ...gateways, ...certificates],
    },
    ...cacheSpecs(context, { name, home: cache }),
    {
      name: `kubelet-${name}`,
      app: 'kubelet',
      args: [
        ...apiFlags(context, kubelet),
        ...['--node-name', name, ...primaryFirst(ips, options.extra).flatMap((own) => ['--node-ips', own]), '--cri-endpoint', socket, '--node-root', root],
        ...['--server-port', kubeletPort, '--kubelet-endpoint', `${local}:${kubeletPort}`, '--healthz-port', '-1'],
        // What a configuration file (`--extra-config kubelet.config`) would say to all nodes of this machine at once.
        ...['--bind-address', local, '--port', String(nodeKubeletPort), '--read-only-port', '0', '--rotate-server-certificates=false'],
        ...['--server-cert', kubelet.cert, '--server-key', kubelet.key, '--client-ca', kubelet.ca, '--vnet-endpoint', vnet, '--pod-manifest-path', '/etc/kubernetes/manifests', ...(options.nodeLocalDns ? ['--cluster-dns', nodeCacheAddress] : []), ...capacity, ...registration],
      ],
    },
    {
      name: `kube-proxy-${name}`,
      app: 'kube-proxy',
      args: [...apiFlags(context, proxy), '--node-name', name, '--node-ip', ips.join(), '--vnet-endpoint', vnet, ...(machine.isFirst ? ['--node-port-host', loopbackAddresses().join(), '--node-port-address', nodeAddresses(network.infraSwitch, isDualStack(options.extra)).join()] : []), ...(options.nodeLocalDns ? ['--node-dns-cache', `${nodeCacheAddress}=${cache}`] : [])],
    },
    { name: `csi-disk-${name}`, app: 'csi-disk', args: [...apiFlags(context, csi), '--cloud', `${local}:${ports.cloud}`, '--controller=false', '--nodes', `${name}=${root}`] },
  ].filter(({ app }) => app !== 'csi-disk' || (!isOfTheStart(options, name) && !options.without.has('cloud')));
}

/** The driver that runs beside its controllers serves these. */
const isOfTheStart = ({ nodes }: ClusterOptions, name: string): boolean => Array.from({ length: nodes }, (_, index) => nodeName(index)).includes(name);
