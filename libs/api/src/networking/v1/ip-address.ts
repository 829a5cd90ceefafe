import type { IPAddress } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const ipAddressKind = defineKind<IPAddress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'IPAddress',
  resource: 'ipaddresses',
  namespaced: false,
  shortNames: ['ip'],
});
