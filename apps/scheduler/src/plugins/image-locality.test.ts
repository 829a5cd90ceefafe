import type { Node, Pod } from '@orrery/api/types';
import { describe, expect, it } from 'vitest';
import { imageLocality } from './image-locality.ts';
import { trialNode, trialPod, tryPlugin } from './plugin-trial.ts';

const mib = 1024 * 1024;
const node = (name: string, images: Record<string, number>): Node => {
  const plain = trialNode(name);
  return { ...plain, status: { ...plain.status, images: Object.entries(images).map(([image, sizeMib]) => ({ names: [image], sizeBytes: sizeMib * mib })) } };
};
const pod = (...images: string[]): Pod => trialPod('p', {}, { spec: { containers: images.map((image, i) => ({ name: `c${i}`, image })) } });
const score = (nodes: Node[], asked: Pod): unknown => tryPlugin(imageLocality, { nodes, pods: {} }, undefined).score(asked);

describe('ImageLocality', () => {
  it('prefers nodes that have the image, by its size and how widely it is spread', () => {
    // 250 MiB of which every second node has: 125 of the 23 to 1000 that count.
    expect(score([node('has', { 'nginx:1.27': 250 }), node('not', {})], pod('nginx:1.27'))).toEqual({ has: 10, not: 0 });
    expect(score([node('has', { 'nginx:1.27': 250 }), node('too', { 'nginx:1.27': 250 })], pod('nginx:1.27'))).toEqual({ has: 23, too: 23 });
  });
  it('takes a name without tag for latest, also with a port before it', () => {
    expect(score([node('has', { 'host:5000/x:latest': 2000 })], pod('host:5000/x'))).toEqual({ has: 100 });
  });
  it('counts each container, up to its bound', () => {
    expect(score([node('has', { 'a:1': 4000 }), node('both', { 'a:1': 4000, 'b:1': 100 })], pod('a:1', 'b:1'))).toEqual({ has: 100, both: 100 });
    expect(score([node('small', { 'b:1': 40 })], pod('a:1', 'b:1'))).toEqual({ small: 0 });
  });
  it('counts images of init containers and image volumes', () => {
    const asked = trialPod('p', {}, { spec: { initContainers: [{ name: 'i', image: 'a:1' }], containers: [{ name: 'c', image: 'b:1' }], volumes: [{ name: 'v', image: { reference: 'data:1' } }] } });
    expect(score([node('has', { 'data:1': 1523 })], asked)).toEqual({ has: 50 });
  });
  it('stays out of it when no node has any', () => expect(score([node('a', {})], pod('a:1'))).toBe('Skip'));
});
