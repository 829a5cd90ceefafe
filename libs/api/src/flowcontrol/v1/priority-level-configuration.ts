import type { PriorityLevelConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { inRange } from '../../validation/fields.ts';

function setDefaults({ spec }: PriorityLevelConfiguration): void {
  if (!spec) return;
  if (spec.type === 'Exempt') {
    const exempt = (spec.exempt ??= {});
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  const { limited } = spec;
  if (!limited) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.queues ||= 64;
  queuing.handSize ||= 8;
  queuing.queueLengthLimit ||= 50;
}

function checkSpec({ spec }: PriorityLevelConfiguration, at: FieldPath): void {
  at.child('type').requiredOneOf(spec?.type, ['Exempt', 'Limited']);
  if (spec?.type === 'Exempt' && spec.limited) at.child('limited').forbidden("must be nil if the type is not Limited");
  if (spec?.type !== 'Limited') return;
  const path = at.child('limited');
  const { limited } = spec;
  if (!limited) return path.required('must not be empty when type is Limited');
  if ((limited.nominalConcurrencyShares ?? 0) < 0) path.child('nominalConcurrencyShares').invalid(limited.nominalConcurrencyShares, 'must be a non-negative integer');
  for (const message of inRange(limited.lendablePercent ?? 0, 0, 100)) path.child('lendablePercent').invalid(limited.lendablePercent, message);
  if ((limited.borrowingLimitPercent ?? 0) < 0) path.child('borrowingLimitPercent').invalid(limited.borrowingLimitPercent, 'if specified, must be a non-negative integer');
  const response = path.child('limitResponse');
  response.child('type').requiredOneOf(limited.limitResponse?.type, ['Queue', 'Reject']);
  const queuing = limited.limitResponse?.queuing;
  if (limited.limitResponse?.type === 'Reject' && queuing) response.child('queuing').forbidden('must be nil if limited.limitResponse.type is not Limited');
  if (limited.limitResponse?.type === 'Queue' && !queuing) response.child('queuing').required('must not be empty if limited.limitResponse.type is Limited');
  for (const name of ['queues', 'queueLengthLimit', 'handSize'] as const) {
    const value = queuing?.[name];
    if (value !== undefined && value <= 0) response.child('queuing').child(name).invalid(value, 'must be positive');
  }
  if (queuing && (queuing.handSize ?? 0) > (queuing.queues ?? 0)) response.child('queuing').child('handSize').invalid(queuing.handSize, `should not be greater than queues (${queuing.queues ?? 0})`);
}

type Queuing = 'queues' | 'handSize' | 'queueLengthLimit';
const queuing = (name: Queuing) => ({ spec }: PriorityLevelConfiguration): string => String(spec?.limited?.limitResponse?.queuing?.[name] ?? '<none>');

export const priorityLevelConfigurationKind = defineKind<PriorityLevelConfiguration>({
  group: 'flowcontrol.apiserver.k8s.io',
  version: 'v1',
  kind: 'PriorityLevelConfiguration',
  resource: 'prioritylevelconfigurations',
  namespaced: false,
  hasStatus: true,
  generation: 'spec',
  defaults: setDefaults,
  validate: (object) => findProblems((root) => checkSpec(object, root.child('spec'))),
  columns: [
    nameColumn,
    text('Type', ({ spec }) => spec?.type ?? ''),
    text('NominalConcurrencyShares', ({ spec }) => String(spec?.limited?.nominalConcurrencyShares ?? '<none>')),
    text('Queues', queuing('queues')),
    text('HandSize', queuing('handSize')),
    text('QueueLengthLimit', queuing('queueLengthLimit')),
    ageColumn,
  ],
});
