import type { Node, Pod } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { admitPod } from './admission.ts';
import type { NodeLedger } from './pod-resources.ts';

const node: Node = { metadata: { name: 'n' }, status: { allocatable: { cpu: '2', pods: '10', 'example.com/fpga': '1' } } };
const empty = { count: 0, used: () => 0, conflictsWith: () => false } as unknown as NodeLedger;
const asking = (requests: Record<string, string>): Pod => ({ spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }] } });

test.each([
  ['what it has', { cpu: '1', 'example.com/fpga': '1' }, undefined],
  ['more than it has', { 'example.com/fpga': '2' }, 'OutOfexample.com/fpga'],
  ['an extended resource that it knows nothing of', { 'example.com/gpu': '1' }, undefined],
  ['huge pages that it does not have', { 'hugepages-2Mi': '2Mi' }, 'OutOfhugepages-2Mi'],
])('a pod that asks for %s', (_what, requests, reason) => expect(admitPod(asking(requests), node, empty)?.reason).toBe(reason));
