import type { Job } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';

export const jobKind = defineKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  resource: 'jobs',
  namespaced: true,
  categories: ['all'],
  hasStatus: true,
});
