import type { Container, Pod } from '@orrery/api/types';
import { type Quantity, parseQuantity, quantityAsNumber } from '@orrery/apimachinery';
import type { Kubelet } from '../component.ts';
import { qosClass } from '../status/qos-class.ts';
import { type Family, type Sample, expose } from './exposition.ts';
import { type ContainerUsage, type PodUsage, type Usage, nodeUsage } from './usage.ts';

const periodMicroseconds = 100_000;
const sharesOfCore = 1024;

/** The cgroup of a pod, as systemd's driver is not used: `/kubepods/burstable/pod1234`. */
function cgroupOf(pod: Pod): string {
  const qos = qosClass(pod).toLowerCase();
  return `/kubepods${qos === 'guaranteed' ? '' : `/${qos}`}/pod${pod.metadata?.uid ?? ''}`;
}

type Labels = Readonly<Record<string, string>>;

interface Subject {
  readonly labels: Labels;
  readonly usage: Usage;
  /** Of a container. */
  readonly of?: { readonly container: ContainerUsage; readonly spec: Container | undefined };
}

function subjects(pod: PodUsage): Subject[] {
  const { metadata, spec } = pod.worker.pod;
  const id = cgroupOf(pod.worker.pod);
  const place = { namespace: metadata?.namespace ?? '', pod: metadata?.name ?? '' };
  const whole: Subject = { labels: { container: '', id, image: '', name: '', ...place }, usage: pod };
  const all = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return [
    whole,
    ...pod.containers.map((one): Subject => ({
      labels: { container: one.container.name, id: `${id}/${one.container.id}`, image: one.container.image, name: one.container.id, ...place },
      usage: one,
      of: { container: one, spec: all.find(({ name }) => name === one.container.name) },
    })),
  ];
}

const amount = (text: string | undefined): number => (text === undefined ? 0 : quantityAsNumber(parseQuantity(text) as Quantity));

/** GET /metrics/cadvisor: the part of cAdvisor's metrics that the runtime can answer for. */
export async function cadvisorMetrics(kubelet: Kubelet): Promise<string> {
  const { env, config } = kubelet.context;
  const timeMs = Math.floor(env.clock.now());
  const { pods, ...node } = await nodeUsage(kubelet);
  const root: Subject = { labels: { container: '', id: '/', image: '', name: '', namespace: '', pod: '' }, usage: node };
  const all = [root, ...pods.flatMap(subjects)];
  const each = (pick: (usage: Usage) => number, extra: Labels = {}): Sample[] => all.map(({ labels, usage }) => ({ labels: { ...labels, ...extra }, value: pick(usage), timeMs }));
  const containers = (pick: (of: NonNullable<Subject['of']>) => number | undefined, stamped = false): Sample[] =>
    all.flatMap(({ labels, of }) => {
      const value = of && pick(of);
      return value === undefined ? [] : [{ labels, value, ...(stamped ? { timeMs } : {}) }];
    });
  const network = (pick: (of: NonNullable<PodUsage['network']>) => number): Sample[] =>
    pods.flatMap((pod) => {
      const { name: _, ...labels } = subjects(pod)[0]?.labels ?? {};
      return pod.network ? [{ labels: { container: '', id: labels['id'] ?? '', image: '', interface: pod.network.name, name: '', namespace: labels['namespace'] ?? '', pod: labels['pod'] ?? '' }, value: pick(pod.network), timeMs }] : [];
    });
  const family = (name: string, type: Family['type'], help: string, samples: readonly Sample[]): Family => ({ name, type, help, samples });
  return expose([
    family('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed in seconds.', each(({ cpuCoreNanoSeconds }) => cpuCoreNanoSeconds / 1e9, { cpu: 'total' })),
    family('container_fs_usage_bytes', 'gauge', 'Number of bytes that are consumed by the container on this filesystem.', containers(({ container }) => container.fsUsedBytes, true)),
    family('container_last_seen', 'gauge', 'Last time a container was seen by the exporter', each(() => Math.floor(timeMs / 1000))),
    family('container_memory_failures_total', 'counter', 'Cumulative count of memory allocation failures.', [
      ...each(({ pageFaults }) => pageFaults, { failure_type: 'pgfault', scope: 'container' }),
      ...each(({ majorPageFaults }) => majorPageFaults, { failure_type: 'pgmajfault', scope: 'container' }),
    ]),
    family('container_memory_rss', 'gauge', 'Size of RSS in bytes.', each(({ rssBytes }) => rssBytes)),
    family('container_memory_usage_bytes', 'gauge', 'Current memory usage in bytes, including all memory regardless of when it was accessed', each(({ usageBytes }) => usageBytes)),
    family('container_memory_working_set_bytes', 'gauge', 'Current working set in bytes.', each(({ workingSetBytes }) => workingSetBytes)),
    family('container_network_receive_bytes_total', 'counter', 'Cumulative count of bytes received', network(({ rxBytes }) => rxBytes)),
    family('container_network_receive_errors_total', 'counter', 'Cumulative count of errors encountered while receiving', network(({ rxErrors }) => rxErrors)),
    family('container_network_transmit_bytes_total', 'counter', 'Cumulative count of bytes transmitted', network(({ txBytes }) => txBytes)),
    family('container_network_transmit_errors_total', 'counter', 'Cumulative count of errors encountered while transmitting', network(({ txErrors }) => txErrors)),
    family('container_processes', 'gauge', 'Number of processes running inside the container.', pods.map((pod) => ({ labels: subjects(pod)[0]?.labels ?? {}, value: pod.processes, timeMs }))),
    family('container_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise', [{ labels: {}, value: 0 }]),
    family('container_spec_cpu_period', 'gauge', 'CPU period of the container.', containers(() => periodMicroseconds)),
    family('container_spec_cpu_quota', 'gauge', 'CPU quota of the container.', containers(({ spec }) => (spec?.resources?.limits?.['cpu'] === undefined ? undefined : amount(spec.resources.limits['cpu']) * periodMicroseconds))),
    family('container_spec_cpu_shares', 'gauge', 'CPU share of the container.', containers(({ spec }) => Math.max(2, Math.floor(amount(spec?.resources?.requests?.['cpu']) * sharesOfCore)))),
    family('container_spec_memory_limit_bytes', 'gauge', 'Memory limit for the container.', containers(({ spec }) => amount(spec?.resources?.limits?.['memory']))),
    family('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds.', containers(({ container }) => container.container.startedMs / 1000)),
    family('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.', [{ labels: { boot_id: '', machine_id: '', system_uuid: '' }, value: amount(config.cpu) }]),
    family('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.', [{ labels: { boot_id: '', machine_id: '', system_uuid: '' }, value: amount(config.memory) }]),
  ]);
}
