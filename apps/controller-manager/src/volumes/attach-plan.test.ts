import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, VolumeAttachment } from '@orrery/api/types';
import { expect, test } from 'vitest';
import { type AttachWorld, maxWaitForUnmountMs, multiAttachMessage, planAttachments } from './attach-plan.ts';

const inUse = 'kubernetes.io/csi/d^h';
const pod = (name: string, nodeName: string, more: { namespace?: string; phase?: string } = {}): Pod => ({ metadata: { name, namespace: more.namespace ?? 'ns' }, spec: { nodeName, containers: [], volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }, status: { phase: more.phase ?? 'Running' } });
const attachment = (nodeName: string, more: { attached?: boolean; going?: boolean } = {}): VolumeAttachment => ({ metadata: { name: `on-${nodeName}`, ...(more.going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) }, spec: { attacher: 'd', nodeName, source: { persistentVolumeName: 'v' } }, status: { attached: more.attached ?? true } });
const node = (name: string, more: { ready?: string; mounted?: boolean; taint?: string } = {}): Node => ({
  metadata: { name },
  spec: { ...(more.taint ? { taints: [{ key: more.taint, effect: 'NoExecute' }] } : {}) },
  status: { conditions: [{ type: 'Ready', status: more.ready ?? 'True' }], ...(more.mounted ? { volumesInUse: [inUse] } : {}) },
});

function plan({ pods = [], attachments = [], nodes = [node('a'), node('b')], modes = ['ReadWriteOnce'], sinceMs }: { pods?: Pod[]; attachments?: VolumeAttachment[]; nodes?: Node[]; modes?: string[]; sinceMs?: number }) {
  const volume: PersistentVolume = { metadata: { name: 'v' }, spec: { accessModes: modes, csi: { driver: 'd', volumeHandle: 'h' } } };
  const claim: PersistentVolumeClaim = { metadata: { name: 'c' }, spec: { volumeName: 'v' } };
  const world: AttachWorld = { pods, attachments, claim: () => claim, volume: (name) => (name === 'v' ? volume : undefined), driver: () => undefined, node: (name) => nodes.find(({ metadata }) => metadata?.name === name), unneededSince: () => sinceMs };
  const found = planAttachments(world, maxWaitForUnmountMs);
  return {
    attach: found.attach.map((one) => one.node),
    detach: found.detach.map(({ metadata }) => metadata?.name),
    forced: Object.fromEntries(found.forced),
    mounted: found.mounted.map(({ metadata }) => metadata?.name),
    told: found.blocked.map((one) => multiAttachMessage(one, 'ns')),
    attached: Object.fromEntries(found.attached),
  };
}

const nothing = { attach: [], detach: [], forced: {}, mounted: [], told: [], attached: {} };

test.each<[string, Parameters<typeof plan>[0], Partial<ReturnType<typeof plan>>]>([
  ['a pod on a node has its volume attached there', { pods: [pod('p', 'a')] }, { attach: ['a'] }],
  ['what is attached is told to the node, once it is', { pods: [pod('p', 'a'), pod('q', 'b')], attachments: [attachment('a'), attachment('b', { attached: false })], modes: ['ReadWriteMany'] }, { attached: { a: [inUse] } }],
  ['several nodes share what may be shared', { pods: [pod('p', 'a'), pod('q', 'b')], modes: ['ReadOnlyMany'] }, { attach: ['a', 'b'] }],
  ['of two nodes that want it at once one has it', { pods: [pod('p', 'a'), pod('q', 'b')] }, { attach: ['a'], told: ['Multi-Attach error for volume "v" Volume is already used by pod(s) p'] }],
  ['a pod waits for the pod that has its volume elsewhere', { pods: [pod('p', 'a'), pod('q', 'b')], attachments: [attachment('a')] }, { told: ['Multi-Attach error for volume "v" Volume is already used by pod(s) p'], attached: { a: [inUse] } }],
  ['also for one of another namespace', { pods: [pod('p', 'a', { namespace: 'x' }), pod('q', 'b')], attachments: [attachment('a')] }, { told: ['Multi-Attach error for volume "v" Volume is already used by 1 pod(s) in different namespaces'], attached: { a: [inUse] } }],
  ['and for a node that has it mounted, without any pod', { pods: [pod('q', 'b')], attachments: [attachment('a')], nodes: [node('a', { mounted: true }), node('b')] }, { mounted: ['on-a'], told: ['Multi-Attach error for volume "v" Volume is already exclusively attached to one node and can\'t be attached to another'], attached: { a: [inUse] } }],
  ['what nobody needs is detached, and only then attached elsewhere', { pods: [pod('p', 'a', { phase: 'Failed' }), pod('q', 'b')], attachments: [attachment('a')] }, { detach: ['on-a'] }],
  ['what is going is waited for', { pods: [pod('q', 'b')], attachments: [attachment('a', { going: true })] }, {}],
  ['a node that is not well gets its time to unmount', { attachments: [attachment('a')], nodes: [node('a', { mounted: true, ready: 'Unknown' })], sinceMs: 1 }, { mounted: ['on-a'], attached: { a: [inUse] } }],
  ['and no more than that', { attachments: [attachment('a')], nodes: [node('a', { mounted: true, ready: 'Unknown' })], sinceMs: 0 }, { detach: ['on-a'], forced: { 'on-a': 'timeout' } }],
  ['one that is well may take longer', { attachments: [attachment('a')], nodes: [node('a', { mounted: true })], sinceMs: 0 }, { mounted: ['on-a'], attached: { a: [inUse] } }],
  ['one that is out of service is not asked', { attachments: [attachment('a')], nodes: [node('a', { mounted: true, taint: 'node.kubernetes.io/out-of-service' })] }, { detach: ['on-a'], forced: { 'on-a': 'out-of-service' } }],
  ['nor is one that is gone', { attachments: [attachment('gone')] }, { detach: ['on-gone'] }],
])('%s', (_what, world, expected) => expect(plan(world)).toEqual({ ...nothing, ...expected }));
