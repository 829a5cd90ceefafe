import { forbidden } from '@orrery/errors';
import type { AdmissionPlugin } from '../pipeline/index.ts';
import { subjectOf } from './match.ts';

/** Lets everything pass; kept by upstream for command lines that name it. */
export const alwaysAdmit: AdmissionPlugin = { name: 'AlwaysAdmit', handles: () => false };

/** Refuses every write. */
export const alwaysDeny: AdmissionPlugin = {
  name: 'AlwaysDeny',
  handles: () => true,
  validate(attributes) {
    throw forbidden(subjectOf(attributes), 'admission control is denying all modifications');
  },
};
