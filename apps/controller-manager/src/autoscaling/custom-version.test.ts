import type { APIService } from '@orrery/api/types';
import { expect, it } from 'vitest';
import { customMetricsVersion } from './custom-version.ts';

/** `VERSION:PRIORITY`, with `!` of a server that is away, with `?` of one that was never looked at. */
function services(text: string): APIService[] {
  return text.split(' ').filter(Boolean).map((word) => {
    const [, version = '', priority, mark] = /^(\w+):(\d+)([!?]?)$/.exec(word) ?? [];
    const conditions = mark === '?' ? [] : [{ type: 'Available', status: mark === '!' ? 'False' : 'True' }];
    return { metadata: { name: `${version}.custom.metrics.k8s.io` }, spec: { group: 'custom.metrics.k8s.io', version, versionPriority: Number(priority), groupPriorityMinimum: 100 }, status: { conditions } };
  });
}

const other = { metadata: { name: 'v1beta2.metrics.k8s.io' }, spec: { group: 'metrics.k8s.io', version: 'v1beta2', versionPriority: 900, groupPriorityMinimum: 100 } } as APIService;

it.each([
  ['v1beta1:100', 'v1beta1'],
  ['v1beta1:100 v1beta2:200', 'v1beta2'],
  // The server's priorities count, not which is newer.
  ['v1beta1:200 v1beta2:100', 'v1beta1'],
  ['v1beta1:100 v1beta2:100', 'v1beta2'],
  ['v1beta1:100 v1beta2:200!', 'v1beta1'],
  ['v1beta1:100 v1beta2:200?', 'v1beta1'],
  ['v1:900 v1beta1:100', 'v1beta1'],
])('of %s takes %s', (text, version) => expect(customMetricsVersion([other, ...services(text)])).toBe(version));

it.each([
  ['', 'no custom metrics API (custom.metrics.k8s.io) registered'],
  ['v1:100', 'no known available metric versions found'],
  ['v1beta1:100! v1beta2:200!', 'no known available metric versions found'],
])('of %j takes none: %s', (text, why) => expect(() => customMetricsVersion([other, ...services(text)])).toThrow(why));
