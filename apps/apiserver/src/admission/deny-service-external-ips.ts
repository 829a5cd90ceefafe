import type { Service } from '@orrery/api/types';
import { forbidden } from '@orrery/errors';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { createsOrUpdates, subjectOf, wants } from './match.ts';

/** No new use of externalIPs; a Service keeps what it has. */
export const denyServiceExternalIps: AdmissionPlugin = {
  name: 'DenyServiceExternalIPs',
  handles: wants(createsOrUpdates('services')),
  validate(attributes) {
    const known = new Set((attributes.oldObject as Service | undefined)?.spec?.externalIPs ?? []);
    if ((attributes.object as Service).spec?.externalIPs?.every((ip) => known.has(ip)) ?? true) return;
    throw forbidden(subjectOf(attributes), 'Use of external IPs is denied by admission control');
  },
};
