import { firstNamespaces } from '../process/namespaces.ts';
import type { Host, IdRange, ProcessInfo } from '../process/proc.ts';
import { type Generated, GeneratedTree } from './generated-tree.ts';
import { sysctlTree } from './sysctl.ts';
import type { Tree } from './tree.ts';
import type { Mount } from './vfs.ts';

/** What /proc tells of the machine, or of what a container may see of it. */
export type ProcHost = Pick<Host, 'hostname' | 'clock' | 'bootTimeMs' | 'memory' | 'cpus' | 'sysctls' | 'capabilities' | 'noNewPrivs' | 'seccomp' | 'oomScoreAdj' | 'userIds'>;

/** What /proc shows of a container. */
export interface ProcSource {
  readonly host: ProcHost;
  /** Who looks, as well as that is known. */
  self(): number;
  processes(): readonly ProcessInfo[];
  mounts(): readonly Mount[];
}

const kib = (bytes: number): number => Math.floor(bytes / 1024);

function meminfo({ host }: ProcSource): string {
  const { limitBytes, usedBytes } = host.memory();
  const row = (name: string, bytes: number): string => `${`${name}:`.padEnd(16)}${String(kib(bytes)).padStart(8)} kB\n`;
  const free = Math.max(0, limitBytes - usedBytes);
  return row('MemTotal', limitBytes) + row('MemFree', free) + row('MemAvailable', free) + row('Buffers', 0) + row('Cached', 0) + row('SwapTotal', 0) + row('SwapFree', 0);
}

function mountLines(source: ProcSource): string {
  return source.mounts().map(({ at, tree, readOnly }) => `${tree.source} ${at} ${tree.type} ${readOnly ? 'ro' : 'rw'},relatime 0 0\n`).join('');
}

function mountInfo(source: ProcSource): string {
  return source.mounts().map(({ at, tree, readOnly }, i) => `${100 + i} ${i === 0 ? 99 : 100} 0:${50 + i} / ${at} ${readOnly ? 'ro' : 'rw'},relatime - ${tree.type} ${tree.source} ${readOnly ? 'ro' : 'rw'}\n`).join('');
}

/** As the kernel shows which users a namespace has; without one of its own all of them. */
function idMap(ranges: readonly IdRange[] = [{ inside: 0, outside: 0, length: 2 ** 32 - 1 }]): string {
  return ranges.map(({ inside, outside, length }) => `${[inside, outside, length].map((n) => String(n).padStart(10)).join(' ')}\n`).join('');
}

/** Who is not root has none by himself, but may be given what is in the bounding set. */
function capabilityLines(bounding: bigint, isRoot: boolean): string {
  const held = isRoot ? bounding : 0n;
  return Object.entries({ CapInh: 0n, CapPrm: held, CapEff: held, CapBnd: bounding, CapAmb: 0n }).map(([name, bits]) => `${name}:\t${bits.toString(16).padStart(16, '0')}\n`).join('');
}

function processEntries(source: ProcSource, info: ProcessInfo): ReadonlyMap<string, Generated> {
  const { gid, groups } = info;
  const name = (info.argv[0] ?? '').split('/').at(-1)?.slice(0, 15) ?? '';
  return new Map<string, Generated>([
    ['cmdline', { text: () => info.argv.map((arg) => `${arg}\0`).join('') }],
    ['comm', { text: () => `${name}\n` }],
    ['status', { text: () => `Name:\t${name}\nState:\tS (sleeping)\nTgid:\t${info.pid}\nPid:\t${info.pid}\nPPid:\t${info.ppid}\nUid:\t${info.uid}\t${info.uid}\t${info.uid}\t${info.uid}\nGid:\t${gid}\t${gid}\t${gid}\t${gid}\nGroups:\t${groups.map((group) => `${group} `).join('')}\nThreads:\t1\n${capabilityLines(source.host.capabilities, info.uid === 0)}NoNewPrivs:\t${source.host.noNewPrivs ? 1 : 0}\nSeccomp:\t${source.host.seccomp ? 2 : 0}\n` }],
    ['stat', { text: () => `${info.pid} (${name}) S ${info.ppid} ${info.pid} 1 0 -1 4194560\n` }],
    ['mounts', { text: () => mountLines(source) }],
    ['mountinfo', { text: () => mountInfo(source) }],
    ['cgroup', { text: () => '0::/\n' }],
    ['oom_score_adj', { text: () => `${source.host.oomScoreAdj}\n` }],
    ['uid_map', { text: () => idMap(source.host.userIds?.uids) }],
    ['ns', { entries: () => new Map(Object.entries(info.host?.namespaces() ?? firstNamespaces).map(([kind, number]): [string, Generated] => [kind, { link: () => `${kind}:[${number}]` }])) }],
    ['gid_map', { text: () => idMap(source.host.userIds?.gids) }],
  ]);
}

/** A container's /proc, computed when read. */
export function procTree(source: ProcSource): Tree {
  const { host } = source;
  const uptime = (): number => (host.clock.now() - host.bootTimeMs) / 1000;
  const fixed = (): [string, Generated][] => [
    ['cpuinfo', { text: () => Array.from({ length: host.cpus }, (_, i) => `processor\t: ${i}\nmodel name\t: Orrery Virtual CPU\ncpu MHz\t\t: 2000.000\n\n`).join('') }],
    ['loadavg', { text: () => `0.00 0.01 0.05 1/${source.processes().length} ${source.processes().at(-1)?.pid ?? 1}\n` }],
    ['meminfo', { text: () => meminfo(source) }],
    ['mounts', { text: () => mountLines(source) }],
    ['uptime', { text: () => `${uptime().toFixed(2)} ${uptime().toFixed(2)}\n` }],
    ['version', { text: () => 'Linux version 6.12.0-orrery (orrery@build) #1 SMP\n' }],
    ['filesystems', { text: () => 'nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n' }],
    ['sys', sysctlTree(host.hostname, host.sysctls)],
    ['self', { link: () => String(source.self()) }],
  ];
  const entries = (): ReadonlyMap<string, Generated> =>
    new Map<string, Generated>([...fixed(), ...source.processes().map((info): [string, Generated] => [String(info.pid), { entries: () => processEntries(source, info) }])]);
  return Object.assign(new GeneratedTree({ root: { entries }, now: () => host.clock.now(), type: 'proc' }), { processes: () => source.processes() });
}

/** A container's /sys. */
export function sysTree({ clock }: Pick<Host, 'clock'>): GeneratedTree {
  const directory = (...names: readonly string[]): Generated => ({ entries: () => new Map(names.map((name) => [name, directory()])) });
  const root: Generated = { entries: () => new Map([['fs', directory('cgroup')], ['kernel', directory('mm')], ['class', directory('net')]]) };
  return new GeneratedTree({ root, now: () => clock.now(), type: 'sysfs' });
}

/** What is mounted at /sys/fs/cgroup: the container's own control group. */
export function cgroupTree(host: Host): GeneratedTree {
  const cgroup = (): Map<string, Generated> => new Map(Object.entries(host.cgroup()).map(([name, value]): [string, Generated] => [name, { text: () => `${value}\n` }]));
  return new GeneratedTree({ root: { entries: cgroup }, now: () => host.clock.now(), type: 'cgroup2' });
}
