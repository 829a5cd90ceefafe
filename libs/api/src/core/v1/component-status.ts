import type { ComponentStatus } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { nameColumn, text } from '../../printing/columns.ts';

const healthy = ({ conditions }: ComponentStatus): NonNullable<ComponentStatus['conditions']>[number] | undefined =>
  (conditions ?? []).find((condition) => condition.type === 'Healthy');

export const componentStatusKind = defineKind<ComponentStatus>({
  group: '',
  version: 'v1',
  kind: 'ComponentStatus',
  resource: 'componentstatuses',
  namespaced: false,
  shortNames: ['cs'],
  singular: 'componentstatus',
  verbs: ['get', 'list'],
  warnings: () => ['v1 ComponentStatus is deprecated in v1.19+'],
  columns: [
    nameColumn,
    text('Status', (status) => {
      const word = healthy(status)?.status;
      return word === 'True' ? 'Healthy' : word === 'False' ? 'Unhealthy' : 'Unknown';
    }),
    text('Message', (status) => healthy(status)?.message ?? ''),
    text('Error', (status) => healthy(status)?.error ?? ''),
  ],
});
