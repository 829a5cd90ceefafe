import { definitionFor } from '@orrery/api';
import { type KubeObject, formatApiVersion, isRecord, parseApiVersion } from '@orrery/apimachinery';
import { type FieldError, type StatusError, fieldError, invalid } from '@orrery/errors';

interface Expected {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface TypeMeta {
  readonly apiVersion: string;
  readonly kind: string;
}

function goPackage(group: string): string {
  return group === '' ? 'core' : (group.split('.')[0] ?? '');
}

/** Why what says it is of one kind cannot be taken for another, in upstream's words. */
export function whyNot({ apiVersion, kind }: TypeMeta, expected: Pick<Expected, 'group' | 'kind'>): string {
  const isKnown = definitionFor(apiVersion, kind) !== undefined;
  return isKnown
    ? `converting (${parseApiVersion(apiVersion).version}.${kind}) to (${goPackage(expected.group)}.${expected.kind}): unknown conversion`
    : `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/api/legacyscheme/scheme.go:30"`;
}

/** What the JSON that a patch left says it is; what it leaves out it is by default. */
function typeOf(patched: unknown, expected: Expected): TypeMeta {
  const { apiVersion, kind } = isRecord(patched) ? patched : {};
  const filled = (value: unknown, wanted: string): string => (typeof value === 'string' && value ? value : wanted);
  return { apiVersion: filled(apiVersion, formatApiVersion(expected.group, expected.version)), kind: filled(kind, expected.kind) };
}

/** Why a built-in object is none of its kind any more after a patch; undefined when it is, or is one of another version. */
export function madeAnother(patched: unknown, expected: Expected): string | undefined {
  const found = typeOf(patched, expected);
  if (found.kind === expected.kind && definitionFor(found.apiVersion, found.kind)) return undefined;
  return whyNot(found, expected);
}

/** Throws 422 when a patch made another kind of a custom resource. */
export function checkCustomType(patched: KubeObject, expected: Expected): void {
  const found = typeOf(patched, expected);
  const wanted = formatApiVersion(expected.group, expected.version);
  const errors: FieldError[] = [];
  if (found.kind !== expected.kind) errors.push(fieldError.invalid('kind', found.kind, `must be ${expected.kind}`));
  if (found.apiVersion !== wanted) errors.push(fieldError.invalid('apiVersion', found.apiVersion, `must be ${wanted}`));
  if (errors.length) throw refused(found, { errors, patched });
}

function refused({ apiVersion, kind }: TypeMeta, { errors, patched }: { errors: readonly FieldError[]; patched: KubeObject }): StatusError {
  return invalid({ group: parseApiVersion(apiVersion).group, kind, name: patched.metadata?.name ?? '' }, errors);
}
