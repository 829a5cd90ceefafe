import type { ServiceRule } from '@orrery/vnet';
import { expect, it } from 'vitest';
import { ruleFromWire, ruleToWire } from './control-wire.ts';

const rule: ServiceRule = { match: { nodePort: 30080, protocol: 'TCP' }, service: 'd/web', backends: [{ ip: '10.244.1.2', port: 80 }], whenEmpty: 'refuse' };

it.each<[string, ServiceRule]>([
  ['a node port', rule],
  ['a node port of IPv6', { ...rule, match: { nodePort: 30080, protocol: 'UDP', family: 6 } }],
  ['an address, all else said', { match: { ip: 'fd00::7', port: 80, protocol: 'TCP' }, service: 'd/web', backends: [], inside: [], affinitySeconds: 5, whenEmpty: 'drop', sources: ['10.0.0.0/8'], masquerade: true }],
])('carries a rule of %s', (_what, given) => expect(ruleFromWire(ruleToWire(given))).toEqual(given));
