import type { CoordinationV1beta1LeaseCandidate as LeaseCandidate } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { deprecatedSince } from '../../earlier-version.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { semanticVersion } from '../../resource/v1/names.ts';
import { checkStrategy } from '../v1/strategy.ts';

/** Major, minor and patch: what decides between versions of control planes. */
const numbers = (version: string): readonly number[] => (version.split(/[-+]/)[0] ?? '').split('.').map(Number);

function isBefore(a: string, b: string): boolean {
  const right = numbers(b);
  const i = numbers(a).findIndex((value, at) => value !== right[at]);
  return i >= 0 ? (numbers(a)[i] ?? 0) < (right[i] ?? 0) : a.includes('-') && !b.includes('-');
}

const isZero = (version: string): boolean => version === '' || version === '0.0.0';

function checkVersion(version: string, at: FieldPath): void {
  if (!semanticVersion.test(version)) at.invalid(version, 'must be a valid semantic version');
}

function checkCandidate({ spec }: LeaseCandidate, at: FieldPath): void {
  const { leaseName = '', emulationVersion: emulated = '', binaryVersion: binary = '', strategy = '' } = spec ?? {};
  if (leaseName === '') at.child('leaseName').required();
  if (emulated !== '') checkVersion(emulated, at.child('emulationVersion'));
  if (binary === '') at.child('binaryVersion').required();
  else checkVersion(binary, at.child('binaryVersion'));
  if (emulated !== '' && binary !== '' && isBefore(binary, emulated)) at.child('binaryVersion').invalid(binary, 'must be greater than or equal to `emulationVersion`');
  if (strategy === '') return at.child('strategy').required();
  if (strategy === 'OldestEmulationVersion' && isZero(emulated)) at.child('emulationVersion').required("must be specified when `strategy` is 'OldestEmulationVersion'");
  checkStrategy(strategy, at.child('strategy'));
}

const kind = defineKind<LeaseCandidate>({
  group: 'coordination.k8s.io',
  version: 'v1beta1',
  kind: 'LeaseCandidate',
  resource: 'leasecandidates',
  namespaced: true,
  nameRule: 'pathSegment',
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate: (candidate) => findProblems((root) => checkCandidate(candidate, root.child('spec'))),
  validateUpdate: (candidate, old) =>
    findProblems((root) => {
      const at = root.child('spec');
      checkCandidate(candidate, at);
      checkImmutable({ value: candidate.spec?.leaseName, old: old.spec?.leaseName }, at.child('leaseName'));
    }),
  selectableFields: ['spec.leaseName'],
  selectable: ({ spec }) => ({ 'spec.leaseName': spec?.leaseName ?? '' }),
  columns: [
    nameColumn,
    text('LeaseName', ({ spec }) => spec?.leaseName ?? ''),
    text('BinaryVersion', ({ spec }) => spec?.binaryVersion ?? ''),
    text('EmulationVersion', ({ spec }) => spec?.emulationVersion ?? ''),
    ageColumn,
  ],
});

export const leaseCandidateKind = deprecatedSince(kind, 36);
