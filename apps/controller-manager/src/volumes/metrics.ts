import { PersistentVolumeClaims, PersistentVolumes, VolumeAttachments } from '@orrery/api';
import type { PersistentVolume } from '@orrery/api/types';
import { volumeClass } from '@orrery/api/volumes';
import type { ControllerContext } from '@orrery/controller';
import type { Metrics, Sample } from '@orrery/runtime';
import type { ForcedBy } from './attach-plan.ts';

type Context = Pick<ControllerContext, 'env' | 'store'>;

/** How many things have the same labels. */
function counted<T>(things: Iterable<T>, labelsOf: (thing: T) => Readonly<Record<string, string>>): Sample[] {
  const found = new Map<string, { labels: Readonly<Record<string, string>>; value: number }>();
  for (const thing of things) {
    const labels = labelsOf(thing);
    const key = JSON.stringify(labels);
    const entry = found.get(key);
    if (entry) entry.value += 1;
    else found.set(key, { labels, value: 1 });
  }
  return [...found.values()];
}

/** The plug-in that upstream knows a volume by. */
function pluginOf({ spec }: PersistentVolume): string {
  if (spec?.csi) return `kubernetes.io/csi:${spec.csi.driver}`;
  if (spec?.hostPath) return 'kubernetes.io/host-path';
  if (spec?.local) return 'kubernetes.io/local-volume';
  if (spec?.nfs) return 'kubernetes.io/nfs';
  if (spec?.iscsi) return 'kubernetes.io/iscsi';
  return spec?.fc ? 'kubernetes.io/fc' : 'N/A';
}

/** Upstream's counts of volumes and claims, read when scraped. */
export function tellBinding({ env: { metrics }, store }: Context): void {
  const volumes = (bound: boolean) => () => counted([...store(PersistentVolumes).list()].filter(({ status }) => (status?.phase === 'Bound') === bound), (volume) => ({ storage_class: volumeClass(volume) }));
  const claims = (bound: boolean) => () =>
    counted([...store(PersistentVolumeClaims).list()].filter(({ status }) => (status?.phase === 'Bound') === bound), ({ metadata, spec }) => ({ namespace: metadata?.namespace ?? '', storage_class: spec?.storageClassName ?? '', volume_attributes_class: spec?.volumeAttributesClassName ?? '' }));
  const gauge = (name: string, help: string, read: () => Sample[]): void => metrics.collect(`pv_collector_${name}`, { type: 'gauge', help }, read);
  gauge('bound_pv_count', 'Gauge measuring number of persistent volume currently bound', volumes(true));
  gauge('unbound_pv_count', 'Gauge measuring number of persistent volume currently unbound', volumes(false));
  gauge('bound_pvc_count', 'Gauge measuring number of persistent volume claim currently bound', claims(true));
  gauge('unbound_pvc_count', 'Gauge measuring number of persistent volume claim currently unbound', claims(false));
  gauge('total_pv_count', 'Gauge measuring total number of persistent volumes', () => counted(store(PersistentVolumes).list(), (volume) => ({ plugin_name: pluginOf(volume), volume_mode: volume.spec?.volumeMode ?? 'Filesystem' })));
}

/** Upstream's counts of attached volumes, read when scraped. */
export function tellAttachments({ env: { metrics }, store }: Context): void {
  const plugin = (name: string | undefined): string => {
    const volume = name === undefined ? undefined : store(PersistentVolumes).get(name);
    return volume ? pluginOf(volume) : 'N/A';
  };
  metrics.collect('attachdetach_controller_total_volumes', { type: 'gauge', help: 'Number of volumes in A/D Controller' }, () => [
    ...counted(store(VolumeAttachments).list(), ({ spec }) => ({ plugin_name: plugin(spec?.source.persistentVolumeName), state: 'desired_state_of_world' })),
    ...counted([...store(VolumeAttachments).list()].filter(({ status }) => status?.attached), ({ spec }) => ({ plugin_name: plugin(spec?.source.persistentVolumeName), state: 'actual_state_of_world' })),
  ]);
  metrics.collect('storage_count_attachable_volumes_in_use', { type: 'gauge', help: 'Measure number of volumes in use' }, () =>
    counted(store(VolumeAttachments).list(), ({ spec }) => ({ node: spec?.nodeName ?? '', volume_plugin: plugin(spec?.source.persistentVolumeName) })));
}

/** Claims made for ephemeral volumes. */
export const ephemeralMetrics = (metrics: Metrics) => ({
  made: metrics.counter('ephemeral_volume_controller_create_total', 'Number of PersistentVolumeClaims creation requests'),
  failed: metrics.counter('ephemeral_volume_controller_create_failures_total', 'Number of failed PersistentVolumeClaims creation requests'),
});

/** A volume that its node may still have mounted is detached. */
export function tellForced(metrics: Metrics, reason: ForcedBy): void {
  metrics.counter('attach_detach_controller_attachdetach_controller_forced_detaches', 'Number of times the A/D Controller performed a forced detach').inc({ reason });
}
