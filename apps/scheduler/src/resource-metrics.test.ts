import type { Pod } from '@orrery/api/types';
import { expect, it } from 'vitest';
import { resourceMetrics } from './resource-metrics.ts';

it('tells what pods ask for and are limited to, by pod, node, resource and unit', () => {
  const resources = (cpu: string, memory: string) => ({ requests: { cpu, memory, 'example.com/gpu': '2' }, limits: { memory } });
  const pod = (name: string, more: Partial<Pod>): Pod => ({ metadata: { name, namespace: 'x' }, spec: { schedulerName: 'default-scheduler', containers: [{ name: 'a', resources: resources('250m', '1Mi') }], initContainers: [{ name: 'i', resources: resources('1', '1Ki') }], ...more.spec }, ...(more.status ? { status: more.status } : {}) });
  const text = resourceMetrics([
    pod('runs', { spec: { nodeName: 'n', priority: 7, overhead: { memory: '1Ki', cpu: '1' } } as never }),
    pod('waits', {}),
    pod('over', { spec: { nodeName: 'n' } as never, status: { phase: 'Succeeded' } }),
  ]);
  const at = 'namespace="x",node="n",pod="runs",priority="7",resource=';
  expect(text).toContain(`kube_pod_resource_request{${at}"cpu",scheduler="default-scheduler",unit="cores"} 2\n`);
  expect(text).toContain(`kube_pod_resource_request{${at}"example.com/gpu",scheduler="default-scheduler",unit=""} 2\n`);
  expect(text).toContain(`kube_pod_resource_limit{${at}"memory",scheduler="default-scheduler",unit="bytes"} 1.0496e+06\n`);
  expect(text).not.toContain(`kube_pod_resource_limit{${at}"cpu"`);
  expect(text).toContain('pod="waits"');
  expect(text).not.toContain('pod="over"');
});
