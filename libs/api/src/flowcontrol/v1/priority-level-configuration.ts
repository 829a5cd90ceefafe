import type { LimitedPriorityLevelConfiguration, PriorityLevelConfiguration, PriorityLevelConfigurationSpec, QueuingConfiguration } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { semanticEqual } from '../../equality.ts';
import { mandatoryPriorityLevels } from '../mandatory.ts';
import { checkConditions } from './flow-schema.ts';

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

const maxQueues = 10_000_000;
/** Bits of the hash that queues are dealt by. */
const maxHashBits = 60;

/** As many as the choices of a hand have, counted as upstream counts them. */
function entropyBits(queues: number, handSize: number): number {
  let choices = 1;
  for (let i = 0; i < handSize; i++) choices *= queues - i;
  return Math.ceil(Math.log2(choices));
}

function checkShares(given: { readonly nominalConcurrencyShares?: number; readonly lendablePercent?: number }, at: FieldPath): void {
  const { nominalConcurrencyShares: shares = 0, lendablePercent: lendable = 0 } = given;
  if (shares < 0) at.child('nominalConcurrencyShares').invalid(shares, 'must be a non-negative integer');
  if (lendable < 0 || lendable > 100) at.child('lendablePercent').invalid(lendable, 'must be between 0 and 100, inclusive');
}

function checkQueuing({ queues = 0, handSize = 0, queueLengthLimit = 0 }: QueuingConfiguration, at: FieldPath): void {
  if (queueLengthLimit <= 0) at.child('queueLengthLimit').invalid(queueLengthLimit, 'must be positive');
  if (queues <= 0) at.child('queues').invalid(queues, 'must be positive');
  else if (queues > maxQueues) at.child('queues').invalid(queues, `must not be greater than ${maxQueues}`);
  const path = at.child('handSize');
  if (handSize <= 0) path.invalid(handSize, 'must be positive');
  else if (handSize > queues) path.invalid(handSize, `should not be greater than queues (${queues})`);
  else if (entropyBits(queues, handSize) > maxHashBits) {
    path.invalid(handSize, `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${maxHashBits}`);
  }
}

function checkLimitResponse({ limitResponse }: LimitedPriorityLevelConfiguration, at: FieldPath): void {
  const { type = '', queuing } = limitResponse ?? {};
  const path = at.child('queuing');
  if (type === 'Reject') {
    if (queuing) path.forbidden('must be nil if limited.limitResponse.type is not Limited');
  } else if (type === 'Queue') {
    if (queuing) checkQueuing(queuing, path);
    else path.required('must not be empty if limited.limitResponse.type is Limited');
  } else at.child('type').notSupported(type, ['Queue', 'Reject']);
}

function checkLimited(limited: LimitedPriorityLevelConfiguration, at: FieldPath): void {
  checkShares(limited, at);
  const { borrowingLimitPercent: borrowing = 0 } = limited;
  if (borrowing < 0) at.child('borrowingLimitPercent').invalid(borrowing, 'if specified, must be a non-negative integer');
  checkLimitResponse(limited, at.child('limitResponse'));
}

function checkMandatory(name: string, spec: PriorityLevelConfigurationSpec | undefined, at: FieldPath): void {
  const fixed = mandatoryPriorityLevels[name];
  if (!fixed) return;
  const { exempt, ...rest } = spec ?? { type: '' };
  if (name === 'exempt' && !semanticEqual(rest, fixed)) at.invalid(spec, "spec of 'exempt' except the 'spec.exempt' field must equal the fixed value");
  if (name !== 'exempt' && !semanticEqual(exempt ? spec : rest, fixed)) at.invalid(spec, `spec of '${name}' must equal the fixed value`);
}

function checkSpec({ metadata, spec }: PriorityLevelConfiguration, at: FieldPath): void {
  const type = spec?.type ?? '';
  const name = metadata?.name ?? '';
  if ((name === 'exempt') !== (type === 'Exempt')) at.child('type').invalid(type, "type must be 'Exempt' if and only if name is 'exempt'");
  if (type === 'Exempt') {
    if (spec?.limited) at.child('limited').forbidden('must be nil if the type is not Limited');
    if (spec?.exempt) checkShares(spec.exempt, at.child('exempt'));
  } else if (type === 'Limited') {
    if (spec?.exempt) at.child('exempt').forbidden('must be nil if the type is Limited');
    if (spec?.limited) checkLimited(spec.limited, at.child('limited'));
    else at.child('limited').required('must not be empty when type is Limited');
  } else at.child('type').notSupported(type, ['Exempt', 'Limited']);
  checkMandatory(name, spec, at);
}

const checkStatus = ({ status }: PriorityLevelConfiguration, root: FieldPath): void => checkConditions(status?.conditions, root.child('status').child('conditions'));

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
  validate: (object) =>
    findProblems((root) => {
      checkSpec(object, root.child('spec'));
      checkStatus(object, root);
    }),
  validateStatusUpdate: (object) => findProblems((root) => checkStatus(object, root)),
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
