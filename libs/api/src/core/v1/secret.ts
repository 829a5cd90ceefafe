import { JsonSyntaxError, parseJson } from '@orrery/apimachinery';
import type { Secret } from '../../../gen/types.ts';
import { defineKind } from '../../define-kind.ts';
import { ageColumn, nameColumn, text } from '../../printing/columns.ts';
import { type FieldPath, findProblems } from '../../validation/field-path.ts';
import { checkImmutable } from '../../validation/fields.ts';
import { base64Bytes, checkImmutableData, checkKeys, maxDataBytes } from './config-data.ts';

function setDefaults(secret: Secret): void {
  secret.type ||= 'Opaque';
  if (!secret.stringData) return;
  const data = (secret.data ??= {});
  for (const [key, value] of Object.entries(secret.stringData)) data[key] = Buffer.from(value).toString('base64');
  delete secret.stringData;
}

const serviceAccountName = 'kubernetes.io/service-account.name';

function checkJson(secret: Secret, { key, at }: { key: string; at: FieldPath }): void {
  const value = secret.data?.[key];
  if (value === undefined) return at.at(key).required();
  const redacted = (why: string): void => at.at(key).invalid('<secret contents redacted>', why);
  try {
    const { value: content } = parseJson(Buffer.from(String(value), 'base64').toString());
    const type = Array.isArray(content) ? 'array' : typeof content === 'boolean' ? 'bool' : typeof content;
    if (content !== null && type !== 'object') redacted(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`);
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    redacted(error.message);
  }
}

const pemMark = /-----(BEGIN|END) ([A-Z0-9 ]+)-----/g;

/** Types of the blocks in a PEM text, in one pass however many are left open. */
function pemTypes(pem: string): string[] {
  const types: string[] = [];
  let open: string | undefined;
  for (const [, mark, type = ''] of pem.matchAll(pemMark)) {
    if (mark === 'END' && type === open) types.push(type);
    open = mark === 'BEGIN' ? type : undefined;
  }
  return types;
}

/** What Go's X509KeyPair says of PEM that it cannot use; whether the two belong together is not looked at. */
function pemProblem(data: unknown, { what, wanted }: { what: 'certificate' | 'key'; wanted: (type: string) => boolean }): string | undefined {
  const types = pemTypes(Buffer.from(String(data ?? ''), 'base64').toString());
  if (types.some(wanted)) return undefined;
  if (types.length === 0) return `tls: failed to find any PEM data in ${what} input`;
  const switched = what === 'certificate' && types.length === 1 && types[0]?.endsWith('PRIVATE KEY');
  if (switched) return 'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched';
  if (what === 'key' && types.length === 1 && types[0] === 'CERTIFICATE') return 'tls: found a certificate rather than a key in the PEM for the private key';
  const block = what === 'certificate' ? '"CERTIFICATE" PEM block' : 'PEM block with type ending in "PRIVATE KEY"';
  return `tls: failed to find ${block} in ${what} input after skipping PEM blocks of the following types: [${types.join(' ')}]`;
}

function warnings({ type, data }: Secret): string[] {
  if (type !== 'kubernetes.io/tls') return [];
  const problem =
    pemProblem(data?.['tls.crt'], { what: 'certificate', wanted: (block) => block === 'CERTIFICATE' }) ??
    pemProblem(data?.['tls.key'], { what: 'key', wanted: (block) => block === 'PRIVATE KEY' || block.endsWith(' PRIVATE KEY') });
  return problem ? [problem] : [];
}

const has = (secret: Secret, key: string): boolean => secret.data?.[key] !== undefined;

/** What secrets of the well-known types must hold. */
const typeChecks: Readonly<Record<string, (secret: Secret, at: FieldPath, root: FieldPath) => void>> = {
  'kubernetes.io/service-account-token': (secret, _at, root) => {
    if (!secret.metadata?.annotations?.[serviceAccountName]) root.child('metadata').child('annotations').at(serviceAccountName).required();
  },
  'kubernetes.io/dockercfg': (secret, at) => checkJson(secret, { key: '.dockercfg', at }),
  'kubernetes.io/dockerconfigjson': (secret, at) => checkJson(secret, { key: '.dockerconfigjson', at }),
  'kubernetes.io/basic-auth': (secret, at) => {
    if (has(secret, 'username') || has(secret, 'password')) return;
    at.at('username').required();
    at.at('password').required();
  },
  'kubernetes.io/ssh-auth': (secret, at) => {
    if (!secret.data?.['ssh-privatekey']) at.at('ssh-privatekey').required();
  },
  'kubernetes.io/tls': (secret, at) => {
    for (const key of ['tls.crt', 'tls.key']) if (!has(secret, key)) at.at(key).required();
  },
};

function checkSecret(secret: Secret, root: FieldPath): void {
  const at = root.child('data');
  checkKeys(secret.data, at);
  const total = Object.values(secret.data ?? {}).reduce<number>((sum, value) => sum + base64Bytes(String(value)), 0);
  if (total > maxDataBytes) at.tooLong('', maxDataBytes);
  typeChecks[secret.type ?? '']?.(secret, at, root);
}

export const secretKind = defineKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  resource: 'secrets',
  namespaced: true,
  defaults: setDefaults,
  validate: (secret) => findProblems((root) => checkSecret(secret, root)),
  validateUpdate: (secret, old) =>
    findProblems((root) => {
      checkImmutable({ value: secret.type, old: old.type }, root.child('type'));
      checkImmutableData(secret, { old, fields: ['data'], root });
      checkSecret(secret, root);
    }),
  warnings,
  selectableFields: ['type'],
  selectable: ({ type }) => ({ type: type ?? '' }),
  columns: [nameColumn, text('Type', ({ type }) => type ?? ''), text('Data', ({ data }) => Object.keys(data ?? {}).length), ageColumn],
});
