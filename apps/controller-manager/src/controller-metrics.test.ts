import { ConfigMaps, HorizontalPodAutoscalers, Namespaces, PersistentVolumeClaims, PersistentVolumes, Pods, ReplicaSets, ResourceClaimTemplates } from '@orrery/api';
import type { PersistentVolume } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { deletionAgeRatios } from './replicaset/plan.ts';
import { startManager } from './testing/manager-harness.ts';

const namespace = 'a';
const container = { name: 'c', image: 'i' };

test('controllers tell what upstream\'s tell, by its names', async () => {
  const h = await startManager({ featureGates: ['HPAScaleToZero=true'] }, { rootCaPem: 'PEM' });
  const { api, clock } = h;
  await api.create(Namespaces, { metadata: { name: namespace } });
  await api.create(HorizontalPodAutoscalers, { metadata: { name: 'h', namespace }, spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'none' } } });
  await api.create(PersistentVolumes, { metadata: { name: 'v' }, spec: { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'fast', csi: { driver: 'disks', volumeHandle: 'x' } } } as PersistentVolume);
  await api.create(PersistentVolumeClaims, { metadata: { name: 'c', namespace }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'fast', resources: { requests: { storage: '1Gi' } } } });
  await api.create(PersistentVolumeClaims, { metadata: { name: 'waits', namespace }, spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'slow', resources: { requests: { storage: '1Gi' } } } });
  await api.create(ResourceClaimTemplates, { metadata: { name: 't', namespace }, spec: { spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'd' } }] } } } });
  const volumes = [{ name: 'e', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['ReadWriteOnce'], storageClassName: 'slow', resources: { requests: { storage: '1Gi' } } } } } }];
  await api.create(Pods, { metadata: { name: 'p', namespace }, spec: { containers: [container], volumes, resourceClaims: [{ name: 'd', resourceClaimTemplateName: 't' }] } });
  await api.create(ReplicaSets, { metadata: { name: 'rs', namespace }, spec: { replicas: 2, selector: { matchLabels: { app: 'rs' } }, template: { metadata: { labels: { app: 'rs' } }, spec: { containers: [container] } } } });
  await clock.advance(10_000);
  h.run();
  await clock.advance(10_000);
  await api.patch(ReplicaSets, { namespace, name: 'rs' }, { spec: { replicas: 1 } }, { type: 'application/merge-patch+json' });
  await clock.advance(20_000);
  expect(api.find(ConfigMaps, 'kube-root-ca.crt', namespace)).toBeDefined();
  const told = h.metrics();
  for (const line of [
    'horizontal_pod_autoscaler_controller_reconciliations_total{action="none",error="internal"} 2',
    'horizontal_pod_autoscaler_controller_num_horizontal_pod_autoscalers 1',
    'horizontal_pod_autoscaler_controller_desired_replicas{hpa_name="h",namespace="a"} 0',
    'pv_collector_bound_pv_count{storage_class="fast"} 1',
    'pv_collector_bound_pvc_count{namespace="a",storage_class="fast",volume_attributes_class=""} 1',
    'pv_collector_unbound_pvc_count{namespace="a",storage_class="slow",volume_attributes_class=""} 2',
    'pv_collector_total_pv_count{plugin_name="kubernetes.io/csi:disks",volume_mode="Filesystem"} 1',
    'ephemeral_volume_controller_create_total 1',
    'dynamic_resource_allocation_resourceclaim_creates_total{admin_access="false",status="success"} 1',
    'dynamic_resource_allocation_resource_claims{admin_access="false",allocated="false",source="resource_claim_template"} 1',
    'root_ca_cert_publisher_sync_duration_seconds_count{code="200"} 1',
    'replicaset_controller_sorting_deletion_age_ratio_count 1',
    'kubernetes_feature_enabled{name="HPAScaleToZero",stage="ALPHA"} 1',
    'kubernetes_feature_enabled{name="MaxUnavailableStatefulSet",stage="BETA"} 0',
  ]) expect(told).toContain(`\n${line}\n`);
  expect(told).toMatch(/\nnode_collector_update_all_nodes_health_duration_seconds_count [1-9]/);
});

test.each([
  ['the youngest goes', [10], [1]],
  ['one of twice its age goes', [20], [2]],
  ['one that is not ready is not counted', [-10], []],
] as const)('ratio of ages: %s', (_what, going, expected) => {
  const nowMs = Date.parse('2026-01-01T01:00:00Z');
  const pod = (seconds: number) => ({ metadata: { creationTimestamp: new Date(nowMs - Math.abs(seconds) * 1000).toISOString() }, status: { phase: 'Running', conditions: [{ type: 'Ready', status: seconds > 0 ? 'True' : 'False' }] } });
  expect(deletionAgeRatios([pod(10), pod(20), pod(-5)], going.map(pod), nowMs)).toEqual(expected);
});
