import type { ObjectMeta } from '../../gen/types.ts';
import type { Column } from '../kind.ts';
import { ageColumn, integer, nameColumn } from './columns.ts';

interface Scaled {
  metadata?: ObjectMeta;
  spec?: { replicas?: number };
  status?: { replicas?: number };
}

/** Of autoscaling/v1 Scale, whichever resource it is a subresource of. */
export const scaleColumns: readonly Column<Scaled>[] = [
  nameColumn,
  integer('Desired', ({ spec }) => spec?.replicas ?? 0),
  integer('Available', ({ status }) => status?.replicas ?? 0),
  ageColumn,
];
