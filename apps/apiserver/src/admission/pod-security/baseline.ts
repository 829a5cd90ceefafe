import type { Container, PodSpec, SELinuxOptions, SecurityContext } from '@orrery/api/types';
import { allContainers, containersText, failing, quoted } from './containers.ts';

/** What a pod is made of, as far as the checks look. */
export interface CheckedPod {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
}

/** One control of the Pod Security Standards. Undefined: fulfilled; otherwise upstream's reason and detail. */
export interface Check {
  readonly id: string;
  /** Checks that a stricter level replaces by this one. */
  readonly replaces?: string;
  /** The minor version of the standards that brought it; in all of them when left out. */
  readonly since?: number;
  /** `minor` is the version of the standards that counts. */
  check(pod: CheckedPod, minor: number): string | undefined;
}

/** Users of such a pod are nobody on the node, whatever they are called inside: what they may be called does not matter. */
export const isApart = (spec: PodSpec, minor: number): boolean => minor >= 35 && spec.hostUsers === false;

const failure = (reason: string, details: readonly string[]): string | undefined => (details.length ? `${reason} (${details.join('; ')})` : undefined);

const defaultCapabilities = new Set([
  'AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT',
]);

/** By the minor version that allowed them. */
const safeSysctls: Readonly<Record<string, number>> = {
  'kernel.shm_rmid_forced': 0, 'net.ipv4.ip_local_port_range': 0, 'net.ipv4.tcp_syncookies': 0, 'net.ipv4.ping_group_range': 0, 'net.ipv4.ip_unprivileged_port_start': 0,
  'net.ipv4.ip_local_reserved_ports': 27, 'net.ipv4.tcp_keepalive_time': 29, 'net.ipv4.tcp_fin_timeout': 29, 'net.ipv4.tcp_keepalive_intvl': 29, 'net.ipv4.tcp_keepalive_probes': 29,
  'net.ipv4.tcp_rmem': 32, 'net.ipv4.tcp_wmem': 32,
};

const seLinuxTypes = new Set(['', 'container_t', 'container_init_t', 'container_kvm_t']);
const isSeLinuxType = (type: string, minor: number): boolean => seLinuxTypes.has(type) || (type === 'container_engine_t' && minor >= 31);

function appArmor({ annotations, spec }: CheckedPod): string | undefined {
  const prefix = 'container.apparmor.security.beta.kubernetes.io/';
  const details = Object.entries(annotations)
    .filter(([key, value]) => key.startsWith(prefix) && value !== '' && value !== 'runtime/default' && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  const unconfined = (context: SecurityContext | undefined): boolean => context?.appArmorProfile?.type === 'Unconfined';
  const names = failing(spec, (container) => unconfined(container.securityContext));
  const pod = unconfined(spec.securityContext as SecurityContext | undefined) ? ['pod must not set AppArmor profile type to "Unconfined"'] : [];
  const containers = names.length ? [`${containersText(names)} must not set AppArmor profile type to "Unconfined"`] : [];
  const all = [...pod, ...containers, ...details];
  return failure(all.length > 1 ? 'forbidden AppArmor profiles' : 'forbidden AppArmor profile', all);
}

function addedBeyond(spec: PodSpec, allowed: ReadonlySet<string>): string[] {
  const beyond = (container: Container): string[] => (container.securityContext?.capabilities?.add ?? []).filter((name) => !allowed.has(name));
  const names = failing(spec, (container) => beyond(container).length > 0);
  const capabilities = [...new Set(allContainers(spec).flatMap(beyond))].sort();
  return names.length ? [`${containersText(names)} must not include ${quoted(capabilities)} in securityContext.capabilities.add`] : [];
}

export function capabilitiesBeyond(spec: PodSpec, allowed: readonly string[]): string[] {
  return addedBeyond(spec, new Set(allowed));
}

function hostNamespaces({ spec }: CheckedPod): string | undefined {
  const used = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name]).map((name) => `${name}=true`);
  return used.length ? `host namespaces (${used.join(', ')})` : undefined;
}

function hostPath({ spec }: CheckedPod): string | undefined {
  const names = (spec.volumes ?? []).filter((volume) => volume.hostPath).map((volume) => volume.name);
  return names.length ? `hostPath volumes (${names.length === 1 ? 'volume' : 'volumes'} ${quoted(names)})` : undefined;
}

function hostPorts({ spec }: CheckedPod): string | undefined {
  const names = failing(spec, (container) => (container.ports ?? []).some((port) => port.hostPort));
  const ports = [...new Set(allContainers(spec).flatMap((container) => (container.ports ?? []).flatMap((port) => port.hostPort || [])))].sort((a, b) => a - b);
  if (!names.length) return undefined;
  return `hostPort (${containersText(names)} ${names.length === 1 ? 'uses' : 'use'} ${ports.length === 1 ? 'hostPort' : 'hostPorts'} ${ports.join(', ')})`;
}

function hostProbes({ spec }: CheckedPod): string | undefined {
  const hostsOf = (container: Container): string[] =>
    [container.livenessProbe, container.readinessProbe, container.startupProbe, container.lifecycle?.postStart, container.lifecycle?.preStop]
      .flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host])
      .filter((host): host is string => host !== undefined && host !== '');
  const names = failing(spec, (container) => hostsOf(container).length > 0);
  if (!names.length) return undefined;
  const hosts = [...new Set(allContainers(spec).flatMap(hostsOf))].sort();
  return `probe or lifecycle host (${containersText(names)} ${names.length === 1 ? 'uses' : 'use'} probe or lifecycle ${hosts.length === 1 ? 'host' : 'hosts'} ${quoted(hosts)})`;
}

/** The pod's own context and its containers', with how each is named. */
function setters(spec: PodSpec, bad: (context: SecurityContext) => boolean): string | undefined {
  const names = failing(spec, (container) => container.securityContext !== undefined && bad(container.securityContext));
  const pod = spec.securityContext && bad(spec.securityContext as SecurityContext) ? ['pod'] : [];
  const who = [...pod, ...(names.length ? [containersText(names)] : [])];
  return who.length ? who.join(' and ') : undefined;
}

function seLinux({ spec }: CheckedPod, minor: number): string | undefined {
  const options = (context: SecurityContext): SELinuxOptions | undefined => context.seLinuxOptions;
  const bad = (context: SecurityContext): boolean => {
    const found = options(context);
    return found !== undefined && (!isSeLinuxType(found.type ?? '', minor) || Boolean(found.user) || Boolean(found.role));
  };
  const who = setters(spec, bad);
  if (!who) return undefined;
  const all = [spec.securityContext as SecurityContext | undefined, ...allContainers(spec).map((container) => container.securityContext)].flatMap((context) => (context && bad(context) ? [options(context) as SELinuxOptions] : []));
  const types = [...new Set(all.map((one) => one.type ?? '').filter((type) => !isSeLinuxType(type, minor)))].sort();
  const parts = [
    ...(types.length ? [`${types.length === 1 ? 'type' : 'types'} ${quoted(types)}`] : []),
    ...(all.some((one) => one.user) ? ['user may not be set'] : []),
    ...(all.some((one) => one.role) ? ['role may not be set'] : []),
  ];
  return `seLinuxOptions (${who} set forbidden securityContext.seLinuxOptions: ${parts.join('; ')})`;
}

const seccompAnnotations = /^(seccomp\.security\.alpha\.kubernetes\.io\/pod$|container\.seccomp\.security\.alpha\.kubernetes\.io\/)/;

/** Before the field there were annotations. */
function seccompByAnnotation({ annotations }: CheckedPod): string | undefined {
  const bad = Object.entries(annotations).filter(([key, value]) => seccompAnnotations.test(key) && value !== 'runtime/default' && value !== 'docker/default' && !value.startsWith('localhost/'));
  const details = bad.map(([key, value]) => `${key}=${JSON.stringify(value)}`).sort();
  return details.length ? `seccompProfile (forbidden ${details.length === 1 ? 'annotation' : 'annotations'} ${details.join(', ')})` : undefined;
}

function seccomp(pod: CheckedPod, minor: number): string | undefined {
  if (minor < 19) return seccompByAnnotation(pod);
  const { spec } = pod;
  const who = setters(spec, (context) => context.seccompProfile?.type === 'Unconfined');
  return who ? `seccompProfile (${who} must not set securityContext.seccompProfile.type to "Unconfined")` : undefined;
}

function sysctls({ spec }: CheckedPod, minor: number): string | undefined {
  const names = (spec.securityContext?.sysctls ?? []).map((one) => one.name).filter((name) => (safeSysctls[name] ?? Infinity) > minor);
  return names.length ? `forbidden sysctls (${names.join(', ')})` : undefined;
}

const perContainer = (reason: string, must: string, bad: (container: Container) => boolean) => ({ spec }: CheckedPod): string | undefined => {
  const names = failing(spec, bad);
  return names.length ? `${reason} (${containersText(names)} ${must})` : undefined;
};

const procMount = perContainer('procMount', 'must not set securityContext.procMount to "Unmasked"', (container) => (container.securityContext?.procMount ?? 'Default') !== 'Default');

/** The controls of the baseline level, in the order of their ids. */
export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', check: appArmor },
  { id: 'capabilities_baseline', check: ({ spec }) => failure('non-default capabilities', addedBeyond(spec, defaultCapabilities)) },
  { id: 'hostNamespaces', check: hostNamespaces },
  { id: 'hostPathVolumes', check: hostPath },
  { id: 'hostPorts', check: hostPorts },
  { id: 'hostProbesAndHostLifecycle', since: 34, check: hostProbes },
  { id: 'privileged', check: perContainer('privileged', 'must not set securityContext.privileged=true', (container) => container.securityContext?.privileged === true) },
  {
    id: 'procMount',
    check: (pod, minor) => (isApart(pod.spec, minor) ? undefined : procMount(pod)),
  },
  { id: 'seLinuxOptions', check: seLinux },
  { id: 'seccompProfile_baseline', check: seccomp },
  { id: 'sysctls', check: sysctls },
  {
    id: 'windowsHostProcess',
    check({ spec }) {
      const who = setters(spec, (context) => context.windowsOptions?.hostProcess === true);
      return who ? `hostProcess (${who} must not set securityContext.windowsOptions.hostProcess=true)` : undefined;
    },
  },
];
